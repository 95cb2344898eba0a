"""Which images are normal, and which groups of the others are more than false alarms, by what scores say.

Descriptors tell what is alike, scores tell what is anomalous. A group of alike images in which no more are called
anomalous than false alarms explain is calm. Where all are, they are one: a folder of good images. Where some are not,
the decision may be blind to a whole kind, so only the calmest group is normal, and the other calm ones stay as they
are. The images called anomalous in the normal group are set apart. They and the groups that are not calm are grouped
anew, and a group counts as a kind if its images are more anomalous than the most anomalous of so many normal images
would be.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from firstsight.clustering.descriptors import normalise_descriptors, smooth_descriptors
from firstsight.clustering.ward import Clustering, cluster_descriptors

LEVEL = 0.05
"""Of the tests of a collection's groups, all together."""

CAUTION = 3.0
"""Normal images have p-values so many times as small as they should be, at worst, on the development sets."""

SMALLEST_KIND = 2


class Evidence(NamedTuple):
    """What scores say of N images.

    Attributes:
        anomalous: (N,) whether the decision calls an image anomalous.
        p_values: (N,) the share of normal images that stand out as much; NaN where that is not known.
        scores: (N,) of the images.
        rate: share of normal images that are called anomalous; None if the threshold was found otherwise.
    """

    anomalous: NDArray[np.bool_]
    p_values: NDArray[np.floating]
    scores: NDArray[np.floating]
    rate: float | None

    def of(self, chosen: NDArray[np.int64]) -> "Evidence":
        """What they say of some of the images."""
        return Evidence(self.anomalous[chosen], self.p_values[chosen], self.scores[chosen], self.rate)


class Sorted(NamedTuple):
    """N images, sorted by alikeness and evidence.

    Attributes:
        cluster: (N,) int32, -1: in no kind.
        normal: the number of the normal kind; None: there is none.
        support: (K,) of each kind in [0, 1]: 1 less the chance that as many normal images stand out as much; NaN where
            it was not asked, as of the normal kind.
        criterion: how the number of kinds came about, in words.
    """

    cluster: NDArray[np.int32]
    normal: int | None
    support: NDArray[np.float64]
    criterion: str


def sort_by_evidence(
    descriptors: NDArray[np.floating],
    grouped: Clustering,
    evidence: Evidence,
    *,
    seed: int,
    largest_linkage: int,
) -> Sorted:
    """Tell the normal images of a collection from the others, and sort these into kinds.

    Args:
        descriptors: (N, W, C), finite, not normalised.
        grouped: all images, in groups of alike ones.
        evidence: of the images.
        seed, largest_linkage: see `cluster_descriptors`.

    Returns:
        The groups as they are where none of them is calm (`calm_groups`). Otherwise the normal images are one kind:
        those of all groups where all are calm, else those of the calm group with the highest median p-value (the first
        of equals). Other calm groups are kinds. What remains is in kinds of at least two images: all groups of these
        if the evidence has no rate, else those that are supported (`group_p_values`) at the level of 5 %, divided by
        their number. What is in no kind and not anomalous is normal after all.
    """
    calm = calm_groups(grouped.cluster, evidence)
    chosen, others = np.flatnonzero(calm), np.array([], np.int64)
    if not calm.all():
        typical = [np.median(np.nan_to_num(evidence.p_values[grouped.cluster == group])) for group in chosen]
        chosen, others = np.split(chosen[np.argsort(-np.array(typical), kind="stable")], [1])
    # What is in no group is normal unless it is called anomalous.
    normal = ~evidence.anomalous & np.isin(grouped.cluster, np.append(chosen, -1)) & calm.any()
    if not normal.any():
        return Sorted(grouped.cluster, None, np.full(grouped.n_clusters, np.nan), grouped.criterion)
    cluster = np.where(normal, 0, -1).astype(np.int32)
    for number, group in enumerate(others, start=1):
        cluster[grouped.cluster == group] = number
    rest = np.flatnonzero(cluster < 0)
    support, criterion = [np.nan] * (1 + len(others)), "normal images alone"
    n_normal = count_normal(evidence.p_values)
    if len(rest):
        unit = normalise_descriptors(descriptors[rest])
        groups = cluster_descriptors(
            unit,
            linked_by=smooth_descriptors(unit, seed=seed),
            smallest=SMALLEST_KIND,
            seed=seed,
            largest_linkage=largest_linkage,
        )
        chances = group_p_values(groups.cluster, evidence.p_values[rest], n_normal)
        for number, chance in enumerate(chances):
            members = rest[groups.cluster == number]
            supported = evidence.rate is None or chance < LEVEL / len(chances)
            if supported and len(members) >= SMALLEST_KIND:
                cluster[members] = len(support)
                support.append(np.nan if evidence.rate is None else 1 - chance)
        # An image that no decision and no kind calls anomalous is normal.
        cluster[(cluster < 0) & ~evidence.anomalous] = 0
        criterion = f"{len(support) - 1} beside the normal images, of {groups.n_clusters} groups: {groups.criterion}"
    return Sorted(cluster, 0, np.array(support), criterion)


def calm_groups(cluster: NDArray[np.int32], evidence: Evidence) -> NDArray[np.bool_]:
    """Groups with no more anomalous images than normal images have false alarms: (K,).

    A binomial test of each at the level of 5 %, divided by their number. Without a rate, at most half may be anomalous.

    Args:
        cluster: (N,) numbers 0 .. K - 1, -1 for images in no group.
        evidence: of the images.
    """
    number = int(cluster.max(initial=-1)) + 1
    grouped = cluster >= 0
    sizes = np.bincount(cluster[grouped], minlength=number)
    anomalous = np.bincount(cluster[grouped & evidence.anomalous], minlength=number)
    if evidence.rate is None:
        return np.asarray(2 * anomalous <= sizes)
    return np.asarray(binom.sf(anomalous - 1, sizes, evidence.rate) >= LEVEL / max(1, number))


def group_p_values(cluster: NDArray[np.int32], p_values: NDArray[np.floating], images: int) -> NDArray[np.float64]:
    """For each group, the chance that of so many normal images as many stand out as much as its members do: (K,).

    For every member but the first, the chance that as many normal images as there are members up to it have a p-value
    as small as its own (taken `CAUTION` times as large); the smallest of these chances, times their number
    (Bonferroni). A single odd image does not make a kind of those beside it.

    Args:
        cluster: (n,) numbers 0 .. K - 1, -1 for images in no group.
        p_values: (n,) of the images; NaN counts as 1.
        images: how many normal images there are.
    """
    chances = np.ones(int(cluster.max(initial=-1)) + 1)
    for number in range(len(chances)):
        ranked = np.sort(np.nan_to_num(p_values[cluster == number], nan=1.0))
        as_many = binom.sf(np.arange(1, len(ranked)), images, np.minimum(1.0, CAUTION * ranked[1:]))
        if len(as_many):
            chances[number] = min(1.0, len(as_many) * float(as_many.min()))
    return chances


def count_normal(p_values: NDArray[np.floating]) -> int:
    """How many images are normal, judged by those with a p-value above a half, of which normal images have every other.

    Storey, "A direct approach to false discovery rates", JRSS B 2002, with one image more for safety.

    Args:
        p_values: (N,) NaN counts as 1.
    """
    high = int((np.nan_to_num(p_values, nan=1.0) > 0.5).sum())
    return min(len(p_values), 2 * (high + 1))
