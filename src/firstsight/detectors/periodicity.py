"""How periodic a texture is, by its autocorrelation."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter, label

# Brightness that changes over more than this share of the shorter side is no part of a pattern.
TREND = 1 / 16
# Shifts up to this share of a side are compared: a pattern must repeat at least that often to be seen.
LONGEST_SHIFT = 1 / 4
# Grey values beyond these percentiles are cut off, so that a bright or dark anomaly does not hide the pattern.
PERCENTILES = (1, 99)
# A peak of the autocorrelation rises at least that far above the saddle towards shift 0, and noise does not. Levels at
# which saddles are looked for.
PROMINENCE = 0.1
LEVELS = np.arange(1, 50) / 50


def autocorrelation(values: NDArray[np.floating], known: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
    """Autocorrelation of an image for all shifts of up to a quarter of its sides.

    The sum over all pairs of known pixels with that shift, divided by their number and by the value at shift 0. It is
    0 throughout in an image of zeros, and for shifts that no two known pixels have.

    Args:
        values: (H, W), of mean 0; what they are where they are not known does not matter.
        known: (H, W); None: all.

    Returns:
        (2 (H // 4) + 1, 2 (W // 4) + 1); shift 0 in the middle; a row further down is a shift down by one pixel.
    """
    height, width = values.shape
    weights = np.ones((height, width)) if known is None else known.astype(np.float64)
    rows, columns = (int(size * LONGEST_SHIFT) for size in (height, width))
    # With as many zeros as the longest shift, no pair of pixels meets across the frame.
    size = (next_fast_len(height + rows, real=True), next_fast_len(width + columns, real=True))
    sums = irfft2(np.abs(rfft2(np.where(weights > 0, values, 0).astype(np.float64), size)) ** 2, size)
    pairs = np.rint(irfft2(np.abs(rfft2(weights, size)) ** 2, size))
    means = np.where(pairs > 0, sums / np.maximum(pairs, 1), 0)
    shifts = np.ix_(np.arange(-rows, rows + 1), np.arange(-columns, columns + 1))
    return means[shifts] / means[0, 0] if means[0, 0] > 0 else np.zeros_like(means[shifts])


def periodicity(grey: NDArray[np.floating], known: NDArray[np.bool_] | None = None) -> float:
    """How well a texture matches itself after the best shift that is not trivial.

    Slow changes of brightness are taken off (a Gaussian whose deviation is 1/16 of the shorter side). The result is
    the autocorrelation at its highest peak besides that of shift 0, a peak being what is cut off from shift 0 at some
    level and rises 0.1 above it. It is near 1 for stripes, grids and weaves, and near 0 for grain, brushed metal or
    marble: a texture that does not repeat matches itself the worse the more it is shifted.

    Args:
        grey: (H, W), finite.
        known: (H, W), False where a pixel is missing (its value does not matter); None: all are known.

    Returns:
        In [0, 1]; 0 for a constant image, and for one of fewer than 8 pixels a side, in which nothing can repeat.
    """
    if min(grey.shape) < 8:
        return 0.0
    weights = np.ones(grey.shape) if known is None else known.astype(np.float64)
    if not weights.any():
        return 0.0
    inside = weights > 0
    values = np.clip(grey.astype(np.float64), *np.percentile(grey[inside], PERCENTILES))
    values = np.where(inside, values, 0)
    sigma = TREND * min(grey.shape)
    held = gaussian_filter(weights, sigma)
    values -= np.where(held > 0, gaussian_filter(values, sigma) / np.maximum(held, 1e-9), 0)
    values -= values[inside].mean()
    # Rounding errors of a constant image have a pattern of their own.
    if values[inside].std() < 1e-6:
        return 0.0
    correlation = autocorrelation(values, inside)
    centre = tuple(size // 2 for size in correlation.shape)
    highest = 0.0
    for level in LEVELS:
        parts, _ = label(correlation >= level)
        others = correlation[(parts > 0) & (parts != parts[centre])]
        peak = others.max(initial=0.0)
        if peak >= level + PROMINENCE:
            highest = max(highest, peak)
    return float(min(highest, 1.0))
