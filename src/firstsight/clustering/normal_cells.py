"""What the normal cells of images are like: those of the texture, where no anomaly is.

Even an image with an anomaly is normal in most of its cells, so a collection without a normal image has normal cells.

Shapes: C channels, n cells.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHRINKAGE = 0.01
"""Share of the identity, times the mean variance, in the covariance by which `whitening` divides."""


class NormalCells(NamedTuple):
    """What is kept of the normal cells of one image, or of several.

    Attributes:
        n_cells: their number.
        scatter: (C, C) sum of the outer products of the cells' deviations from the mean of their own image.
    """

    n_cells: int
    scatter: NDArray[np.float64]


def normal_cells(
    features: NDArray[np.floating], scores: NDArray[np.floating], threshold: float
) -> tuple[NDArray[np.float64], NormalCells]:
    """The mean of an image's normal cells, (C,), and how they scatter about it.

    Args:
        features: (C, n) of `blur_features`, all cells of the image.
        scores: (n,) of the anomaly map at these cells.
        threshold: cells with a higher score are not normal; where all are higher, those with the lowest score count.
    """
    normal = features[:, scores <= max(threshold, float(scores.min()))].astype(np.float64)
    mean = normal.mean(axis=1)
    deviations = normal - mean[:, None]
    return mean, NormalCells(normal.shape[1], deviations @ deviations.T)


def whitening(cells: NormalCells) -> NDArray[np.float64]:
    """The matrix (C, C) that brings deviations of normal cells to about unit covariance.

    It is the inverse square root of their covariance, drawn towards a multiple of the identity (Ledoit and Wolf, "A
    well-conditioned estimator for large-dimensional covariance matrices", 2004, with the fixed share `SHRINKAGE`):
    directions in which the normal texture varies count less, none counts without bound. Where cells do not vary at all,
    it is the identity.
    """
    covariance = cells.scatter / max(cells.n_cells, 1)
    size = len(covariance)
    mean_variance = float(np.trace(covariance)) / max(size, 1)
    if mean_variance <= 0:
        return np.eye(size)
    variances, directions = np.linalg.eigh((1 - SHRINKAGE) * covariance + SHRINKAGE * mean_variance * np.eye(size))
    whitened: NDArray[np.float64] = (directions / np.sqrt(variances)) @ directions.T
    return whitened
