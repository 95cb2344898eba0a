"""How far images are from the nearest other one: which are like no other, and which new ones are like no known one."""

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.descriptors import random_sample
from firstsight.clustering.merges import squared_distances
from firstsight.clustering.normalisation import fit_normalisation, root_descriptors
from firstsight.clustering.thresholds import robust_deviation

ISOLATION_DEVIATIONS = 3.5
"""Iglewicz and Hoaglin's bound, 1993."""

LEAST_ISOLATION = 0.5
LEAST_REACH = 0.25
"""Both in units of the usual distance between two images."""

LARGEST_OUTLYING_SHARE = 0.2

ROWS_AT_A_TIME = 1_000


def isolated_descriptors(descriptors: NDArray[np.floating], *, seed: int = 0) -> NDArray[np.bool_]:
    """Which images are like no other, such as one of another texture.

    The distance from their rooted descriptor to the nearest other one exceeds median + 3.5 robust deviations of all
    such distances, and half the usual distance between two images of the collection. Where more than a fifth of the
    images are that far away, only the farthest fifth is isolated. They are set aside before linkage, where a lone image
    far away does not stay alone but takes the nearest group with it.

    Args:
        descriptors: (N, W, C), finite, not normalised.
        seed: of the random sample of 4,000 descriptors with which all are compared where there are more.

    Returns:
        (N,)
    """
    count = len(descriptors)
    most = int(LARGEST_OUTLYING_SHARE * count)
    if most == 0:
        return np.zeros(count, dtype=bool)
    rooted = root_descriptors(descriptors, fit_normalisation(descriptors)).reshape(len(descriptors), -1)
    sample = random_sample(count, seed)
    nearest = _nearest_others(rooted, rooted[sample], sample)
    bound = float(np.median(nearest)) + ISOLATION_DEVIATIONS * robust_deviation(nearest)
    # A loose member of a tight group is no outlier where groups stand far apart; and distances between equal
    # descriptors are mere rounding.
    far = nearest > max(bound, LEAST_ISOLATION * _usual_distance(rooted), 1e-6 * float(np.abs(rooted).max()))
    farthest = np.argsort(-nearest, kind="stable")[:most]
    isolated = np.zeros(count, dtype=bool)
    isolated[farthest] = far[farthest]
    return isolated


def isolation_of(known: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each known descriptor (M, D) is from the nearest other one: (M,).

    At least a quarter of the usual distance between two; infinite where there is only one.
    """
    if len(known) < 2:
        return np.full(len(known), np.inf)
    nearest = _nearest_others(known, known, np.arange(len(known)))
    return np.maximum(nearest, LEAST_REACH * _usual_distance(known))


def conformal_p_values(distances: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the known distances, and of the own one, that are at least as large: (n,) in (0, 1].

    Args:
        distances: (n,) of new descriptors to their nearest known one.
        known: (M,) of known descriptors to the nearest other one.
    """
    smaller = np.searchsorted(np.sort(known), distances)
    share: NDArray[np.float64] = (len(known) - smaller + 1) / (len(known) + 1)
    return share


def _usual_distance(descriptors: NDArray[np.float64]) -> float:
    """The usual distance between two descriptors, judged by their distances from the mean."""
    return float(np.sqrt(2) * np.median(np.linalg.norm(descriptors - descriptors.mean(axis=0), axis=1)))


def _nearest_others(
    descriptors: NDArray[np.float64], others: NDArray[np.float64], position: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n,) distances to the nearest of the others; others[i] is descriptors[position[i]], which is no other."""
    nearest = np.empty(len(descriptors))
    for start in range(0, len(descriptors), ROWS_AT_A_TIME):
        stop = min(start + ROWS_AT_A_TIME, len(descriptors))
        squared = squared_distances(descriptors[start:stop], others)
        selves = np.flatnonzero((position >= start) & (position < stop))
        squared[position[selves] - start, selves] = np.inf
        nearest[start:stop] = np.sqrt(squared.min(axis=1))
    return nearest
