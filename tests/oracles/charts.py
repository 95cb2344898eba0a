"""Slow, obvious versions of what the charts show."""

import numpy as np
from numpy.typing import NDArray


def principal_plane(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 2) coordinates along the two eigenvectors of the covariance with the largest eigenvalues, signs aside."""
    centred = descriptors - descriptors.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred)
    return centred @ vectors[:, np.argsort(values)[::-1][:2]]


def ward_heights(descriptors: NDArray[np.float64]) -> list[float]:
    """The N - 1 heights of Ward's joins: each joins the two groups that add least to the squares within groups."""
    groups = [[row] for row in range(len(descriptors))]
    heights = []
    while len(groups) > 1:
        best = (np.inf, 0, 0)
        for one in range(len(groups)):
            for other in range(one):
                sizes = len(groups[one]), len(groups[other])
                between = descriptors[groups[one]].mean(axis=0) - descriptors[groups[other]].mean(axis=0)
                best = min(best, (2 * sizes[0] * sizes[1] / sum(sizes) * float(between @ between), one, other))
        height, one, other = best
        heights.append(float(np.sqrt(height)))
        groups[other] += groups.pop(one)
    return heights
