"""Whether points may be one cloud, however they fall apart when they are cut."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from firstsight.clustering.merges import cut, link

SIMULATIONS = 20
MOST_GROUPS = 8
MOST_POINTS = 200
"""Of more points a random sample is looked at."""


def one_cloud_p_value(points: NDArray[np.float64], generator: np.random.Generator) -> float:
    """The chance that one Gaussian cloud of the same covariance falls into groups as well as these points do.

    After Kimes, Liu, Hayes and Marron, "Statistical significance for hierarchical clustering", Biometrics 2017: Ward's
    clusters of the points are compared with those of simulated clouds by the share of the sum of squares that is left
    within. What differs: two to eight groups are tried, since a cloud of several equal groups is hardly better
    described by two; and the p-value is the normal tail of the smallest standardised score among those of the clouds.
    Of few points in many dimensions it is high: a dozen are hardly ever more than one cloud.

    Args:
        points: (N, D), finite.
        generator: of the simulated clouds.

    Returns:
        In [0, 1]; 1 for fewer than 5 points, and where all are the same.
    """
    if len(points) < 5:
        return 1.0
    if len(points) > MOST_POINTS:
        points = points[np.sort(generator.choice(len(points), MOST_POINTS, replace=False))]
    centred = points - points.mean(axis=0)
    deviations = np.linalg.svd(centred, compute_uv=False)[: len(points) - 1] / np.sqrt(len(points) - 1)
    # Rounding leaves deviations of some 1e-16 of the points' values.
    if deviations.max(initial=0.0) <= 1e-12 * np.abs(points).max():
        return 1.0
    observed = _left_within(centred)
    clouds = generator.standard_normal((SIMULATIONS, len(points), len(deviations))) * deviations
    simulated = np.array([_left_within(cloud) for cloud in clouds])
    mean, deviation = simulated.mean(axis=0), np.maximum(simulated.std(axis=0), 1e-12)
    least = ((simulated - mean) / deviation).min(axis=1)
    score = ((observed - mean) / deviation).min()
    return float(norm.cdf((score - least.mean()) / max(least.std(), 1e-12)))


def _left_within(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """The share of the sum of squares that is left within 2, 3, ... Ward clusters, of 3 points or more on average."""
    merges, centred = link(points), points - points.mean(axis=0)
    between = []
    for number in range(2, min(MOST_GROUPS, max(2, len(points) // 3)) + 1):
        belongs = np.eye(number)[cut(merges, number)]
        sums = belongs.T @ centred
        between.append((sums**2 / belongs.sum(axis=0)[:, None]).sum())
    left: NDArray[np.float64] = 1 - np.array(between) / (centred**2).sum()
    return left
