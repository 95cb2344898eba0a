"""The method of Aota et al., cell by cell."""

import numpy as np
from numpy.typing import NDArray

from oracles.patch_statistics import gaussian, windows


def aota(features: NDArray[np.float32], *, patch_size: int, sigma: float, neighbours: int) -> NDArray[np.float64]:
    """The map at the resolution of the features."""
    weights = gaussian(patch_size, sigma)
    means = {centre: (window * weights).sum(axis=(1, 2)) for centre, window in windows(features, patch_size).items()}
    result = np.zeros(features.shape[1:])
    for centre, mean in means.items():
        distances = sorted(((mean - other) ** 2).sum() for other in means.values())
        result[centre] = np.mean(distances[:neighbours])
    return result
