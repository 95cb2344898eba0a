"""Projections of colour patches, pixel by pixel, for comparison with ``firstsight.features.random_kernels``."""

import numpy as np
from numpy.typing import NDArray

from oracles.laws import filtered


def projections(image: NDArray[np.float64], kernels: NDArray[np.float64], border: str) -> NDArray[np.float64]:
    """Correlation of an image (3, H, W) with colour kernels (C, 3, n, n): (C, H, W)."""
    return np.stack(
        [sum(filtered(plane, part, border) for plane, part in zip(image, kernel, strict=True)) for kernel in kernels]
    )
