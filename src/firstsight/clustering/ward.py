"""Groups of alike descriptors by Ward linkage."""

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from firstsight.clustering.how_many import estimate_number
from firstsight.clustering.merges import cut, cut_to_size, link
from firstsight.clustering.silhouettes import silhouettes
from firstsight.errors import FirstsightError

# Linkage takes time and memory in the square of this: some seconds and 64 MB of distances.
LARGEST_LINKAGE = 4_000
ROWS_AT_A_TIME = 1_000


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
    may_be_one: bool = True,
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
        clusters: how many, 1 .. N; or "auto", see `estimate_number`.
        linked_by: (N, D) that are linked in the place of the descriptors, such as `smooth_descriptors`. The
            descriptors then move to the nearest centre until none does (k-means, from the centres of Ward's clusters),
            and everything else is computed from them.
        may_be_one: whether "auto" is one cluster if there is no structure.
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
    merges = link((descriptors if linked_by is None else linked_by)[sample])
    if clusters == "auto":
        number, criterion = estimate_number(descriptors[sample], merges, generator, may_be_one=may_be_one)
    else:
        number, criterion = int(clusters), f"{clusters} given"
    linked, number = cut_to_size(merges, number, smallest) if linkable else (cut(merges, 0), 0)
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
    silhouette[~outliers] = silhouettes(
        descriptors[~outliers],
        cluster[~outliers],
        (np.cumsum(~outliers) - 1)[sample[linked_members]],
        number,
    )
    return Clustering(cluster, distance, silhouette, is_medoid, centres, number, criterion)


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


def _checked(descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    checked: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    if checked.ndim != 2:
        raise FirstsightError(f"descriptors have two dimensions (N, D), not shape {checked.shape}")
    if not np.isfinite(checked).all():
        raise FirstsightError("the descriptors hold values that are not finite")
    return checked
