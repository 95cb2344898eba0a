"""Which images are normal, and which groups of the others are kinds, by what scores say and by what is found again.

Descriptors tell what is alike, scores tell what is anomalous. Images are grouped by both (`with_evidence`). A group in
which no more are called anomalous than false alarms explain is calm. Where all are, they are one: a folder of good
images. Where some are not, the decision may be blind to a whole kind, so only the calmest group is normal, with those
calm ones that may be one cloud with it. Of the others, a group counts as a kind if it is found again in random parts of
the collection.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from firstsight.clustering.normalisation import normalise_descriptors
from firstsight.clustering.one_cloud import one_cloud_p_value
from firstsight.clustering.stability import LEAST_STABLE, stability
from firstsight.clustering.ward import Clustering

LEVEL = 0.05
"""Of the tests of a collection's groups, all together."""

CAUTION = 3.0
"""Normal images have p-values so many times as small as they should be, at worst, on the development sets."""

SMALLEST_KIND = 2

FEWEST_OF_A_CLOUD = 12
"""Of fewer images it cannot be told whether they are one cloud."""

STRIKING, USUAL = 0.005, 0.5
"""P-values of images that are anomalous, and of those that are normal, as far as scores tell."""

EVIDENCE_WEIGHT = 0.7
"""How far apart two images are that are alike, but the one is anomalous and the other normal."""


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
        support: (K,) of each kind in [0, 1]: how well it is found again, see `stability`; NaN of the normal kind.
        criterion: how the number of kinds came about, in words.
    """

    cluster: NDArray[np.int32]
    normal: int | None
    support: NDArray[np.float64]
    criterion: str


def with_evidence(descriptors: NDArray[np.float64], evidence: Evidence) -> NDArray[np.float64]:
    """Normalised descriptors (N, D) and one more coordinate, which says how much an image stands out: (N, D + 1).

    It is 0 for a p-value of a half or more, 0.7 for one of 0.005 or less, and goes with its logarithm between.
    Descriptors tell direction alone; two that have nothing in common are the square root of 2 apart.
    """
    p_values = np.clip(np.nan_to_num(evidence.p_values, nan=1.0), STRIKING, USUAL)
    stands_out = np.log(USUAL / p_values) / np.log(USUAL / STRIKING)
    return np.column_stack([descriptors, EVIDENCE_WEIGHT * stands_out])


def sort_by_evidence(
    descriptors: NDArray[np.floating],
    compared: NDArray[np.float64],
    grouped: Clustering,
    evidence: Evidence,
    *,
    seed: int,
) -> Sorted:
    """Tell the normal images of a collection from the others, and which groups of these are kinds.

    Args:
        descriptors: (N, W, C), finite, not normalised.
        compared: (N, D) by which the images were grouped, see `with_evidence`.
        grouped: all images, in groups of alike ones.
        evidence: of the images.
        seed: of what is drawn at random.

    Returns:
        All images that are not called anomalous as one kind, where all groups are calm (`calm_groups`) or there is
        nothing but false alarms (`only_false_alarms`). Otherwise the normal ones are those of the calm group with the
        highest median p-value (the first of equals), and of each calm one that may be one cloud together with it. Of
        the other groups those are kinds whose `stability` is a half or more, or the most stable one if nothing else is
        left. An image called anomalous is never normal; what is in no kind and not called anomalous is, if there is a
        normal kind.
    """
    calm = calm_groups(grouped.cluster, evidence)
    generator = np.random.default_rng(seed)
    calmest: list[int] = []
    if calm.all() or only_false_alarms(descriptors, grouped.cluster, evidence, generator):
        calmest = list(range(grouped.n_clusters))
    elif calm.any():
        calmest = _calmest(descriptors, grouped.cluster, calm, evidence, generator)
    of_calmest = np.isin(grouped.cluster, calmest)
    has_normal = bool((of_calmest & ~evidence.anomalous).any())
    if not has_normal:
        calmest = []
    others = [group for group in range(grouped.n_clusters) if group not in calmest]
    if not others:
        cluster = np.where(evidence.anomalous, -1, 0).astype(np.int32)
        return Sorted(cluster, 0, np.array([np.nan]), "normal images alone")
    support = stability(compared, grouped.cluster, seed=seed)
    stable = [group for group in others if support[group] >= LEAST_STABLE]
    if not stable and not has_normal:
        stable = [int(np.argmax(support))]

    cluster = np.full(len(descriptors), -1, dtype=np.int32)
    for number, group in enumerate(stable, start=int(has_normal)):
        cluster[grouped.cluster == group] = number
    supports = support[stable]
    if has_normal:
        cluster[(cluster < 0) & ~evidence.anomalous] = 0
        supports = np.append(np.nan, supports)
    beside = " beside the normal images" if has_normal else ""
    criterion = f"{len(stable)} kinds{beside}, of {grouped.n_clusters} groups: {grouped.criterion}"
    return Sorted(cluster, 0 if has_normal else None, supports, criterion)


def _calmest(
    descriptors: NDArray[np.floating],
    cluster: NDArray[np.int32],
    calm: NDArray[np.bool_],
    evidence: Evidence,
    generator: np.random.Generator,
) -> list[int]:
    """The calm group with the highest median p-value, and the calm ones that may be one cloud with it."""
    chosen = np.flatnonzero(calm)
    typical = [np.median(np.nan_to_num(evidence.p_values[cluster == group])) for group in chosen]
    calmest, *others = chosen[np.argsort(-np.array(typical), kind="stable")].tolist()
    together = [calmest]
    for group in others:
        members = np.isin(cluster, [*together, group])
        if members.sum() >= FEWEST_OF_A_CLOUD and _may_be_one_cloud(descriptors[members], generator):
            together.append(group)
    return together


def only_false_alarms(
    descriptors: NDArray[np.floating], cluster: NDArray[np.int32], evidence: Evidence, generator: np.random.Generator
) -> bool:
    """Whether a collection may be nothing but normal images of which too many are called anomalous.

    So it is if no more are called anomalous than normal images could be whose p-values are `CAUTION` times as small as
    they should be (a binomial test at the level of 5 %), no group is more anomalous than chance explains
    (`group_p_values`), and all images may be one cloud. Never without a rate.

    Args:
        descriptors: (N, W, C), finite, not normalised.
        cluster: (N,) numbers 0 .. K - 1, -1 for images in no group.
        evidence: of the images.
        generator: of the simulated clouds.
    """
    if evidence.rate is None:
        return False
    expected = min(1.0, CAUTION * evidence.rate)
    if binom.sf(int(evidence.anomalous.sum()) - 1, len(cluster), expected) < LEVEL:
        return False
    chances = group_p_values(cluster, evidence.p_values, len(cluster))
    if (chances < LEVEL / max(1, len(chances))).any():
        return False
    return _may_be_one_cloud(descriptors, generator)


def _may_be_one_cloud(descriptors: NDArray[np.floating], generator: np.random.Generator) -> bool:
    return one_cloud_p_value(normalise_descriptors(descriptors), generator) >= LEVEL


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
