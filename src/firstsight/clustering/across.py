"""Kinds of anomaly that several collections have in common.

Collections of one texture are as one collection: all their images are sorted by `fit_kinds`. Of different textures,
what the decision of each collection calls normal is normal, and the others are sorted by how they differ from the
normal cells around them (`against_normal`), so that a hole in cloth and a hole in denim are near each other.

Shapes: N images, W weightings, C channels, K kinds.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from firstsight.clustering.kinds import FAR, Kinds
from firstsight.clustering.normalisation import Normalisation, normalise_descriptors
from firstsight.clustering.supported_kinds import LEVEL, group_p_values

LARGEST_SAME = 0.5
"""Collections show the same texture where no more of the variance of their normal cells lies between them."""

LEAST_DIFFERENCE = 1e-4

NORMAL_KIND = 0
"""The number of normal images; those of the kinds of anomaly begin after it."""


class Spread(NamedTuple):
    """How the normal cells of a collection's images are spread.

    Attributes:
        n_images: their number.
        mean: (C,) of the images' means.
        within: sum over images of the squared distance from it.
    """

    n_images: int
    mean: NDArray[np.float64]
    within: float

    @classmethod
    def of(cls, normal: NDArray[np.floating]) -> Self:
        """That of (n, C) means of the normal cells of images, n at least 1."""
        values = np.asarray(normal, np.float64)
        mean = values.mean(axis=0)
        return cls(len(values), mean, float(((values - mean) ** 2).sum()))


def texture_difference(collections: Sequence[Spread]) -> float:
    """How much of the variance of the images' normal cells lies between collections: in [0, 1], 0 for one texture.

    It is epsilon squared over all channels, which chance leaves at 0 on average (Kelley, "An unbiased correlation
    ratio measure", PNAS 1935): the share of the sum of squares that lies between collections, less what as many random
    parts of one collection would have.

    Args:
        collections: those of the group that have images; of fewer than two the difference is 0.
    """
    count = sum(each.n_images for each in collections)
    degrees = len(collections) - 1
    if degrees < 1 or count <= len(collections):
        return 0.0
    middle = sum(each.n_images * each.mean for each in collections) / count
    between = sum(each.n_images * float(((each.mean - middle) ** 2).sum()) for each in collections)
    within = sum(each.within for each in collections)
    if between + within <= 0:
        return 0.0
    beyond_chance = between - degrees * within / (count - len(collections))
    return min(1.0, max(0.0, beyond_chance / (between + within)))


def against_normal(
    descriptors: NDArray[np.floating], normal: NDArray[np.floating], whitening: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How anomalies differ from normal cells, in units of how these vary: (N, W, C).

    Args:
        descriptors: (N, W, C).
        normal: (N, C), the mean of the normal cells of the image of each.
        whitening: (C, C) of the collection (`firstsight.clustering.normal_cells.whitening`).
    """
    difference: NDArray[np.float64] = np.asarray(descriptors, np.float64) - np.asarray(normal, np.float64)[:, None, :]
    return difference @ whitening


def units_from_zero(descriptors: NDArray[np.floating]) -> Normalisation:
    """The units of differences from normal cells: their root mean squares, about 0, which is what is normal.

    A channel whose root mean square is below `LEAST_DIFFERENCE` of the largest holds rounding alone, and counts as one
    that does not vary.

    Args:
        descriptors: (N, W, C) of `against_normal`, finite, at least one.
    """
    squares: NDArray[np.float64] = (np.asarray(descriptors, np.float64) ** 2).mean(axis=0)
    rooted = np.sqrt(squares)
    units = np.where(rooted > LEAST_DIFFERENCE * rooted.max(initial=0.0), rooted, 0.0)
    return Normalisation(np.zeros_like(units), units, float(np.sqrt(max(len(descriptors) - 1, 1))))


def distances_to_kinds(kinds: Kinds, descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    """The distances (N, K) of descriptors (N, W, C), in what the kinds were fitted on, to the centres of the kinds."""
    if not len(descriptors):
        return np.zeros((0, len(kinds.centres)))
    return cdist(normalise_descriptors(descriptors, kinds.normalisation), kinds.centres)


def support_of_kinds(
    cluster: NDArray[np.int32], p_values: NDArray[np.floating], n_normal: int | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How sure it is that a kind is no chance gathering of false alarms, and whether that is sure enough.

    Args:
        cluster: (N,) of anomalous images: 0 .. K - 1, `FAR`.
        p_values: (N,) of these images in their own collections; NaN counts as 1.
        n_normal: how many normal images all collections of the group have (`count_normal`); None: it is not asked, for
            want of a rate of false alarms.

    Returns:
        support: (K,) 1 less the chance of `group_p_values`; NaN where it is not asked.
        supported: (K,) at the level of 5 % divided by K; true where it is not asked.
    """
    kinds = int(cluster.max(initial=FAR)) + 1
    if n_normal is None:
        return np.full(kinds, np.nan), np.ones(kinds, bool)
    chances = group_p_values(cluster, p_values, n_normal)
    return 1 - chances, chances < LEVEL / max(1, kinds)
