"""Whether an image is a texture: a surface that looks alike everywhere, as every detector here assumes."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

LEAST_SIDE = 32
"""Pixels on the shorter side; with fewer there is too little to compare."""

COARSE_SIDE = 256
"""Pixels that the shorter side keeps at least when the image is averaged over blocks."""

WINDOWS = 4
"""Windows along the shorter side."""

SHARES = (0.2, 0.8)
"""Quantiles that are compared: an anomaly in fewer than a fifth of the windows does not count."""

MOST_MISSING = 0.1
"""The largest share of a window's pixels that may be missing."""

DETAIL_FLOOR = 0.004
"""One grey level of 8 bits: detail below it is quantisation noise."""

BRIGHTNESS_FLOOR = 0.05

LARGEST_SCORE = 2.3
"""Of 405 texture images, most with defects, 3 % score higher; photographs of objects do (docs/methods.md)."""


def texture_score(image: NDArray[np.floating], missing: NDArray[np.bool_] | None = None) -> float | None:
    """How much the contrast of fine detail differs between the parts of an image; 1: not at all.

    The image is reduced to a coarse scale and cut into windows, about 4 along the shorter side. The contrast of a
    window is its fine detail (what a Gaussian blur of one pixel removes; the mean is taken of square roots, so that a
    few strong edges count little) divided by its brightness, so that it is the same in light and in shade. The score
    is the 0.8 quantile of the windows' contrasts divided by the 0.2 quantile. In a texture the two are close; a
    photograph of objects has sharp and smooth parts, bright and dark ones.

    Args:
        image: (H, W) or (H, W, C), finite, in [0, 1].
        missing: (H, W), True where a pixel is missing; windows with more than a few such pixels do not count.

    Returns:
        The score, at least 1. None if the shorter side has fewer than 32 pixels, or too few windows count.
    """
    height, width = image.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return None
    absent = np.zeros((height, width), bool) if missing is None else missing
    if absent.all():
        return None
    coarse = _reduce(np.where(absent.reshape(absent.shape + (1,) * (image.ndim - 2)), image[~absent].mean(), image))
    detail = np.sqrt(np.abs(coarse - gaussian_filter(coarse, 1, mode="reflect")))
    contrast = (_window_means(detail) + DETAIL_FLOOR**0.5) ** 2 / (_window_means(coarse) + BRIGHTNESS_FLOOR)
    counted = contrast[_window_means(_reduce(absent.astype(np.float32))) <= MOST_MISSING]
    if counted.size < WINDOWS:
        return None
    low, high = np.quantile(counted, SHARES)
    return float(high / low)


def _reduce(image: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mean over channels and blocks; incomplete blocks at the lower and right edge are left out."""
    step = max(1, min(image.shape[:2]) // COARSE_SIDE)
    height, width = (size // step for size in image.shape[:2])
    blocks = image[: height * step, : width * step].reshape(height, step, width, step, -1)
    return np.asarray(blocks.mean(axis=(1, 3, 4), dtype=np.float32))


def _window_means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """The means (rows, columns) of nearly square windows that together cover (h, w)."""
    side = min(values.shape) / WINDOWS
    starts = [np.arange(round(size / side)) * size // round(size / side) for size in values.shape]
    sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), starts[0], axis=0), starts[1], axis=1)
    sizes = [np.diff(np.append(start, size)) for start, size in zip(starts, values.shape, strict=True)]
    means: NDArray[np.float64] = sums / np.outer(*sizes)
    return means
