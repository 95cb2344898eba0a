"""Groups of alike descriptors by Ward linkage, and how many groups there are."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist, squareform

from firstsight.errors import FirstsightError

# Linkage takes time and memory in the square of this: some seconds and 64 MB of distances.
LARGEST_LINKAGE = 4_000
ROWS_AT_A_TIME = 1_000
MANY_OTHERS = 1_000

FEWEST_TO_DIVIDE = 5
MERGES_OF_ELBOW = 20
REFERENCES = 19
LARGEST_TESTED_NUMBER = 8
LARGEST_TESTED_SAMPLE = 500

CLEAR_SILHOUETTE = 0.5
"""Mean silhouette from which clusters are a reasonable structure (Kaufman and Rousseeuw, 1990)."""

USUAL_NUMBER = 5
"""Kinds in a collection, as a first guess."""


@dataclass(frozen=True)
class Clustering:
    """N descriptors in groups.

    cluster: (N,) int32, 0 for the largest cluster; clusters of equal size are numbered by their first member; -1 for an
        outlier, which is in no cluster.
    distance: (N,) Euclidean distance to the centre (mean) of the cluster, for an outlier to the nearest one.
    silhouette: (N,) in [-1, 1]: above 0 where the own cluster's members are nearer than the next cluster's; 0 for the
        only member of a cluster and where there is only one cluster; NaN for an outlier.
    is_medoid: (N,) true for one member a cluster: that with the least sum of squared distances to the others (which is
        the one nearest to the centre; the first of several).
    centres: (n_clusters, D).
    criterion: how the number of clusters came about, in words.
    """

    cluster: NDArray[np.int32]
    distance: NDArray[np.float64]
    silhouette: NDArray[np.float64]
    is_medoid: NDArray[np.bool_]
    centres: NDArray[np.float64]
    n_clusters: int
    criterion: str


def cluster_descriptors(
    descriptors: NDArray[np.floating],
    clusters: int | Literal["auto"] = "auto",
    *,
    linked_by: NDArray[np.float64] | None = None,
    smallest: int = 1,
    seed: int = 0,
    largest_linkage: int = LARGEST_LINKAGE,
) -> Clustering:
    """Group descriptors by Ward's minimum-variance linkage (Ward, 1963) on Euclidean distances.

    Linkage needs time and memory in N * N. Of more descriptors than `largest_linkage`, a random sample of
    that many is linked, the others join the cluster with the nearest centre, and silhouettes are taken against the
    sample.

    Args:
        descriptors: (N, D), finite; of images, see `normalise_descriptors`.
        clusters: how many, 1 .. N; or "auto", see `estimate_clusters`.
        linked_by: (N, D) that are linked in the place of the descriptors, such as `smooth_descriptors`. The number is
            still estimated, and everything else computed, from the descriptors; and those then move to the nearest
            centre until none does (k-means, from the centres of Ward's clusters).
        smallest: members that a cluster must have. What is split off in a smaller number is an outlier, and the tree is
            cut further down until there are as many clusters as wanted, or as many as there can be. One cluster there
            is always.
        seed: of the random sample, and of the reference data when the number is estimated.
        largest_linkage: most descriptors to link, at least 2.

    Returns:
        The clustering. No descriptors give no clusters with "auto"; one gives one.

    Raises:
        FirstsightError: there are not two dimensions, a value is not finite, or the number of clusters is not a whole
            number from 1 to N (to `largest_linkage` where N is larger).
    """
    descriptors = _checked(descriptors)
    count = len(descriptors)
    if largest_linkage < 2:
        raise FirstsightError(f"linkage needs at least 2 descriptors, not largest_linkage={largest_linkage}")
    linkable = min(count, largest_linkage)
    if clusters != "auto":
        if isinstance(clusters, bool) or not isinstance(clusters, int | np.integer):
            raise FirstsightError(f"clusters is {clusters!r}, but must be 'auto' or a whole number")
        if not 1 <= clusters <= linkable:
            raise FirstsightError(f"{count} descriptors cannot be put in {clusters} clusters (1 to {linkable} can)")

    generator = np.random.default_rng(seed)
    sample = np.arange(count)
    if count > linkable:
        sample = np.sort(generator.choice(count, linkable, replace=False))
    if clusters == "auto":
        merges = _linked(descriptors[sample])
        number, criterion = _estimate(descriptors[sample], merges, generator)
        if linked_by is not None:
            merges = _linked(linked_by[sample])
    else:
        merges = _linked((descriptors if linked_by is None else linked_by)[sample])
        number, criterion = int(clusters), f"{clusters} given"
    linked, number = _cut_to_size(merges, number, smallest) if linkable else (_cut(merges, 0), 0)
    cluster = np.zeros(count, dtype=np.int32)
    cluster[sample] = linked
    if count > linkable:
        rest = np.setdiff1d(np.arange(count), sample)
        cluster[rest] = _nearest(descriptors[rest], _means(descriptors[sample], linked, number))

    if linked_by is not None:
        cluster = _settle(descriptors, cluster, number, smallest)
    return measure_clusters(descriptors, _by_size(cluster, number), number, criterion, sample)


def measure_clusters(
    descriptors: NDArray[np.float64],
    cluster: NDArray[np.int32],
    number: int,
    criterion: str,
    sample: NDArray[np.int64] | None = None,
) -> Clustering:
    """Distances, silhouettes, medoids and centres of clusters.

    Args:
        descriptors: (N, D), finite.
        cluster: (N,) numbers 0 .. number - 1, each at least once in the sample; -1 in no cluster.
        number: of clusters.
        criterion: how it came about, in words.
        sample: indices of the descriptors that silhouettes are taken against; None: of all.
    """
    sample = np.arange(len(descriptors)) if sample is None else sample
    centres = _means(descriptors, cluster, number)
    outliers = cluster < 0
    nearest = np.where(outliers, _nearest(descriptors, centres), cluster) if outliers.any() else cluster
    distance = np.linalg.norm(descriptors - centres[nearest], axis=1)
    is_medoid = np.zeros(len(descriptors), dtype=bool)
    for index in range(number):
        members = np.flatnonzero(cluster == index)
        is_medoid[members[np.argmin(distance[members])]] = True
    silhouette = np.full(len(descriptors), np.nan)
    linked_members = np.flatnonzero(~outliers[sample])
    silhouette[~outliers] = _silhouettes(
        descriptors[~outliers],
        cluster[~outliers],
        (np.cumsum(~outliers) - 1)[sample[linked_members]],
        number,
    )
    return Clustering(cluster, distance, silhouette, is_medoid, centres, number, criterion)


def estimate_clusters(descriptors: NDArray[np.floating], *, seed: int = 0) -> tuple[int, str]:
    """Estimate how many clusters descriptors fall into, without labels.

    First, whether there are clusters at all. In the space of the two, or else of the three, leading principal
    components, the best mean silhouette of 2 .. 8 Ward clusters must exceed that of each of 19 sets of as many points
    drawn evenly from the same box (twice a test at the 5 % level; the uniform reference is that of Tibshirani, Walther
    and Hastie, 2001). Otherwise there is one cluster. Then, how many: the elbow of the heights of the last 20 merges,
    that is the number of clusters at which the curve of falling heights is farthest below the line between its ends.
    Where the clusters of the elbow do not stand clearly apart (mean silhouette below 0.5), their number is drawn
    halfway, in its logarithm, towards 5.

    On four real collections, whole and in parts, the elbow came nearest to the true number and the true clusters, ahead
    of the silhouette, Calinski-Harabasz and the eigengap (which favour 2), the gap statistic (which favours the most
    that is allowed), stability under resampling, parallel analysis and means of several of these. No criterion did as
    well as to say 4 or 5 always, which is why the elbow is drawn towards 5 where it is weak.

    Args:
        descriptors: (N, D), finite.
        seed: of the reference points.

    Returns:
        The number (0 for no descriptors; 1 for fewer than 5; at most N // 2, and 20) and the reason in words.

    Raises:
        FirstsightError: there are not two dimensions, or a value is not finite.
    """
    descriptors = _checked(descriptors)
    return _estimate(descriptors, _linked(descriptors), np.random.default_rng(seed))


def _linked(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N - 1, 4) merges, see `scipy.cluster.hierarchy.linkage`; none of fewer than two descriptors."""
    if len(descriptors) < 2:
        return np.empty((0, 4))
    far = descriptors
    if len(descriptors) > MANY_OTHERS:
        far = squareform(_distances(descriptors, descriptors), checks=False)
    merges: NDArray[np.float64] = linkage(far, "ward")
    return merges


def _estimate(
    descriptors: NDArray[np.float64], merges: NDArray[np.float64], generator: np.random.Generator
) -> tuple[int, str]:
    count = len(descriptors)
    if count < FEWEST_TO_DIVIDE:
        return min(count, 1), f"{count} descriptors are too few to divide"
    centred = descriptors - descriptors.mean(axis=0)
    if np.abs(centred).max() <= 1e-12 * np.abs(descriptors).max():
        return 1, "all descriptors are the same"

    chosen = np.arange(count)
    if count > LARGEST_TESTED_SAMPLE:
        chosen = np.sort(generator.choice(count, LARGEST_TESTED_SAMPLE, replace=False))
    tested = centred[chosen]
    directions = np.linalg.svd(tested, full_matrices=False)[2]
    for dimensions in (2, 3):
        points = tested @ directions[:dimensions].T
        low, high = points.min(axis=0), points.max(axis=0)
        found = _best_silhouette(points)
        chance = max(_best_silhouette(generator.uniform(low, high, points.shape)) for _ in range(REFERENCES))
        evidence = f"silhouette {found:.2f}, evenly spread points reach {chance:.2f}"
        if found > chance:
            break
    else:
        return 1, f"1, for want of structure ({evidence})"

    heights = merges[::-1, 2][:MERGES_OF_ELBOW]
    line = np.linspace(heights[0], heights[-1], len(heights))
    number = 1 + int(np.argmax(line - heights))
    number = min(max(number, 2), count // 2)
    # A small cluster may have no member in the sample.
    present, cluster = np.unique(_cut(merges, number)[chosen], return_inverse=True)
    apart = _silhouettes_of(
        cdist(tested, tested), cluster.astype(np.int32), np.arange(len(tested)), cluster.astype(np.int32), len(present)
    )
    if apart.mean() >= CLEAR_SILHOUETTE:
        return number, f"{number}, at the elbow of the merge heights ({evidence})"
    drawn = min(max(round(float(np.sqrt(number * USUAL_NUMBER))), 2), count // 2)
    return (
        drawn,
        f"{drawn}, between the elbow of the merge heights, {number}, and the usual {USUAL_NUMBER} ({evidence})",
    )


def _best_silhouette(points: NDArray[np.float64]) -> float:
    """Best mean silhouette of 2 .. 8 Ward clusters of the points, each of 3 points or more on average."""
    distances = cdist(points, points)
    merges = linkage(points, "ward")
    largest = max(2, min(LARGEST_TESTED_NUMBER, len(points) // 3))
    return max(
        float(_silhouettes_of(distances, cluster, np.arange(len(points)), cluster, number).mean())
        for number in range(2, largest + 1)
        for cluster in [_cut(merges, number)]
    )


def _cut(merges: NDArray[np.float64], number: int) -> NDArray[np.int32]:
    """Undo the last number - 1 merges: (N,) clusters in order of their first members.

    Exactly `number` clusters even where merges have equal heights, which a cut at a height cannot promise.
    """
    count = len(merges) + 1
    if number == 0:
        return np.empty(0, dtype=np.int32)
    parent = np.arange(2 * count - 1)
    for index, (left, right) in enumerate(merges[: count - number, :2].astype(np.int64)):
        parent[left] = parent[right] = count + index
    # A merge has a higher index than its parts, so going down every node finds its parent resolved.
    for node in range(2 * count - 2, -1, -1):
        parent[node] = parent[parent[node]]
    _, first, cluster = np.unique(parent[:count], return_index=True, return_inverse=True)
    order: NDArray[np.int32] = np.argsort(np.argsort(first)).astype(np.int32)
    return order[cluster]


def _cut_to_size(merges: NDArray[np.float64], number: int, smallest: int) -> tuple[NDArray[np.int32], int]:
    """Cut as little as gives `number` clusters of at least `smallest` members: (N,) clusters, -1 in others; how many.

    Where there are never so many, cut as little as gives the most.
    """
    count = len(merges) + 1
    sizes = np.concatenate([np.ones(count), merges[:, 3]])
    parts = sizes[merges[::-1, :2].astype(np.int64)] >= smallest
    # Undoing a merge of a cluster that is large enough takes that one away and adds those of its parts that are.
    large = 1 + np.cumsum(np.concatenate([[0], parts.sum(axis=1) - (merges[::-1, 3] >= smallest)]))
    enough = np.flatnonzero(large >= number)
    undone = int(enough[0]) if len(enough) else int(np.argmax(large))
    cluster = _cut(merges, undone + 1)
    if undone == 0:
        return cluster, 1
    kept = np.bincount(cluster) >= smallest
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return numbers[cluster], int(kept.sum())


def _by_size(cluster: NDArray[np.int32], number: int) -> NDArray[np.int32]:
    """Renumber clusters by falling size; of equal sizes, the one whose first member comes first. -1 stays."""
    if number == 0:
        return cluster
    members = np.flatnonzero(cluster >= 0)
    _, first, sizes = np.unique(cluster[members], return_index=True, return_counts=True)
    rank = np.full(number + 1, -1, dtype=np.int32)
    rank[np.lexsort((first, -sizes))] = np.arange(number)
    return rank[cluster]


def _settle(
    descriptors: NDArray[np.float64], cluster: NDArray[np.int32], number: int, smallest: int
) -> NDArray[np.int32]:
    """Let members move to the nearest centre; where that makes a cluster too small, all stay where they are."""
    members = cluster >= 0
    if number < 2:
        return cluster
    # Importing scikit-learn takes a second, and most jobs that know this module need none of it.
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.exceptions import ConvergenceWarning  # noqa: PLC0415

    with warnings.catch_warnings():
        # Of fewer different descriptors than clusters; then they stay.
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = KMeans(number, init=_means(descriptors, cluster, number), n_init=1)
        moved = search.fit_predict(descriptors[members])
    if np.bincount(moved, minlength=number).min() < max(smallest, 1):
        return cluster
    settled = cluster.copy()
    settled[members] = moved
    return settled


def _means(descriptors: NDArray[np.float64], cluster: NDArray[np.int32], number: int) -> NDArray[np.float64]:
    means = np.zeros((number, descriptors.shape[1]))
    for index in range(number):
        means[index] = descriptors[cluster == index].mean(axis=0)
    return means


def _nearest(descriptors: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int32]:
    parts = [
        cdist(descriptors[start : start + ROWS_AT_A_TIME], centres).argmin(axis=1)
        for start in range(0, len(descriptors), ROWS_AT_A_TIME)
    ]
    return np.concatenate(parts).astype(np.int32)


def _silhouettes(
    descriptors: NDArray[np.float64], cluster: NDArray[np.int32], sample: NDArray[np.int64], number: int
) -> NDArray[np.float64]:
    """Silhouettes of all descriptors against those of the sample, some rows at a time."""
    silhouette = np.zeros(len(descriptors))
    position = np.full(len(descriptors), -1)
    position[sample] = np.arange(len(sample))
    for start in range(0, len(descriptors), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        distances = _distances(descriptors[rows], descriptors[sample])
        silhouette[rows] = _silhouettes_of(distances, cluster[rows], position[rows], cluster[sample], number)
    return silhouette


def _distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distances (n, m)."""
    if len(right) <= MANY_OTHERS:
        return cdist(left, right)
    distances: NDArray[np.float64] = np.sqrt(squared_distances(left, right))
    return distances


def squared_distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances of (n, D) from (m, D): (n, m), not negative.

    By a matrix product, for long descriptors many times faster than `cdist`; but rounding sets equal descriptors some
    1e-8 of their length apart.
    """
    squared: NDArray[np.float64] = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * (left @ right.T)
    return np.maximum(squared, 0.0)


def _silhouettes_of(
    distances: NDArray[np.float64],
    cluster: NDArray[np.int32],
    position: NDArray[np.int64],
    others: NDArray[np.int32],
    number: int,
) -> NDArray[np.float64]:
    """Silhouettes (Rousseeuw, 1987) of n descriptors against m others.

    Args:
        distances: (n, m).
        cluster: (n,) of the descriptors.
        position: (n,) where among the others a descriptor is itself, -1 where it is not; it does not count for itself.
        others: (m,) clusters of the others.
        number: of clusters.
    """
    if number < 2:
        return np.zeros(len(distances))
    belongs = np.zeros((len(others), number))
    belongs[np.arange(len(others)), others] = 1
    sums = distances @ belongs
    rows = np.arange(len(distances))
    sizes = belongs.sum(axis=0)
    companions = sizes[cluster] - (position >= 0)
    own = sums[rows, cluster] / np.maximum(companions, 1)
    # Every cluster has members in the sample, from which clusters come.
    means = sums / sizes
    means[rows, cluster] = np.inf
    next_nearest = means.min(axis=1)
    larger = np.maximum(own, next_nearest)
    defined = (companions > 0) & (larger > 0)
    return np.where(defined, (next_nearest - own) / np.where(larger > 0, larger, 1.0), 0.0).astype(np.float64)


def _checked(descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    checked: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    if checked.ndim != 2:
        raise FirstsightError(f"descriptors have two dimensions (N, D), not shape {checked.shape}")
    if not np.isfinite(checked).all():
        raise FirstsightError("the descriptors hold values that are not finite")
    return checked
