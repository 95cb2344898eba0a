"""Kinds of anomaly that several collections have in common.

What the decision of each collection calls anomalous is sorted into kinds together; what it calls normal is normal. Of
one texture, descriptors compare as they are. Of different textures, an anomaly is known by how it differs from the
normal cells around it (`against_normal`), so that a hole in cloth and a hole in denim are near each other.

Shapes: N images, W weightings, C channels, K kinds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from firstsight.clustering.descriptors import (
    Normalisation,
    fit_normalisation,
    normalise_descriptors,
    smooth_descriptors,
)
from firstsight.clustering.kinds import FAR, isolated_descriptors
from firstsight.clustering.supported_kinds import LEVEL, SMALLEST_KIND, group_p_values
from firstsight.clustering.ward import LARGEST_LINKAGE, cluster_descriptors

LARGEST_SAME = 0.5
"""Collections show the same texture where no more of the variance of their normal cells lies between them."""

NORMAL_KIND = 0
"""The number of normal images; those of the kinds of anomaly begin after it."""


@dataclass(frozen=True)
class SharedKinds:
    """The kinds of a group of collections.

    Attributes:
        normalisation: the units of the descriptors.
        centres: (K, W * C) of the kinds, among normalised descriptors.
        criterion: how their number came about, in words.
    """

    normalisation: Normalisation
    centres: NDArray[np.float64]
    criterion: str

    def distances(self, descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
        """The distances (N, K) to the centres, of descriptors (N, W, C) as they are given to `fit_shared_kinds`."""
        if not len(descriptors) or not len(self.centres):
            return np.zeros((len(descriptors), len(self.centres)))
        return cdist(normalise_descriptors(descriptors, self.normalisation), self.centres)


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


def fit_shared_kinds(
    descriptors: NDArray[np.floating],
    *,
    from_normal: bool,
    seed: int = 0,
    largest_linkage: int = LARGEST_LINKAGE,
) -> tuple[SharedKinds, NDArray[np.int32]]:
    """Sort the anomalous images of a group into kinds, as many as `estimate_clusters` says, each of two images or more.

    Images that are like no other (`isolated_descriptors`) are set aside first.

    Args:
        descriptors: (N, W, C), finite, in an order that depends on nothing but the images.
        from_normal: whether they are differences (`against_normal`): 0 then is normal, and their mean stays in them.
        seed, largest_linkage: see `cluster_descriptors`.

    Returns:
        The kinds, largest first, and the number of each image: 1 .. K, `FAR` if it belongs to none. No images have no
        kinds.
    """
    count, *shape = descriptors.shape
    if count == 0:
        units = Normalisation(np.zeros(shape), np.zeros(shape), 1.0)
        return SharedKinds(units, np.zeros((0, int(np.prod(shape)))), "no image is anomalous"), np.zeros(0, np.int32)
    kept = np.flatnonzero(~isolated_descriptors(descriptors, seed=seed))
    units = fit_normalisation(descriptors[kept])
    if from_normal:
        squares = (descriptors[kept].astype(np.float64) ** 2).mean(axis=0)
        units = Normalisation(np.zeros(shape), np.sqrt(squares), units.limit)
    unit = normalise_descriptors(descriptors[kept], units)
    grouped = cluster_descriptors(
        unit,
        linked_by=smooth_descriptors(unit, seed=seed),
        smallest=SMALLEST_KIND,
        seed=seed,
        largest_linkage=largest_linkage,
    )
    number = np.full(count, FAR, np.int32)
    number[kept] = np.where(grouped.cluster < 0, FAR, grouped.cluster + 1)
    return SharedKinds(units, grouped.centres, grouped.criterion), number


def support_of_kinds(
    number: NDArray[np.int32], p_values: NDArray[np.floating], kinds: int, n_normal: int | None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """How sure it is that a kind is no chance gathering of false alarms, and whether that is sure enough.

    Args:
        number: (N,) of anomalous images: 1 .. K, `FAR`.
        p_values: (N,) of these images in their own collections; NaN counts as 1.
        kinds: K.
        n_normal: how many normal images all collections of the group have (`count_normal`); None: it is not asked, for
            want of a rate of false alarms.

    Returns:
        support: (K,) 1 less the chance of `group_p_values`; NaN where it is not asked.
        supported: (K,) at the level of 5 % divided by K; true where it is not asked.
    """
    if n_normal is None:
        return np.full(kinds, np.nan), np.ones(kinds, bool)
    chances = np.ones(kinds)
    chances[: int(number.max(initial=0))] = group_p_values(
        np.where(number == FAR, FAR, number - 1).astype(np.int32), p_values, n_normal
    )
    return 1 - chances, chances < LEVEL / max(1, kinds)
