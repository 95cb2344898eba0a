"""How periodic a texture is, judged by its autocorrelation."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import gaussian_filter, label

# Changes of brightness over more than this share of the shorter side do not belong to a pattern.
TREND = 1 / 16
# Shifts of up to this share of a side are compared; a pattern with a longer period is not seen.
LONGEST_SHIFT = 1 / 4
# Grey values are clipped to these percentiles, so that a bright or dark anomaly does not hide the pattern.
PERCENTILES = (1, 99)
# A peak of the autocorrelation rises at least this far above the saddle towards shift 0; noise does not.
PROMINENCE = 0.1
# At these levels saddles are looked for.
LEVELS = np.arange(1, 50) / 50


def autocorrelation(values: NDArray[np.floating], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Autocorrelation of an image for all shifts of up to a quarter of its sides.

    It is the sum of products over all pairs of known pixels with that shift, divided by the number of pairs and by the
    value at shift 0; 0 for all shifts of an image of zeros, and for shifts that no two known pixels have.

    Args:
        values: (H, W), of mean 0; unknown pixels may have any value.
        known: (H, W).

    Returns:
        (2 (H // 4) + 1, 2 (W // 4) + 1), with shift 0 in the middle; the next row is a shift down by one more pixel.
    """
    height, width = values.shape
    weights = known.astype(np.float64)
    rows, columns = (int(size * LONGEST_SHIFT) for size in (height, width))
    # Padded by as many zeros as the longest shift, so that no pair of pixels meets across the frame.
    size = (next_fast_len(height + rows, real=True), next_fast_len(width + columns, real=True))
    sums = irfft2(np.abs(rfft2(np.where(weights > 0, values, 0).astype(np.float64), size)) ** 2, size)
    pairs = np.rint(irfft2(np.abs(rfft2(weights, size)) ** 2, size))
    means = np.where(pairs > 0, sums / np.maximum(pairs, 1), 0)
    shifts = np.ix_(np.arange(-rows, rows + 1), np.arange(-columns, columns + 1))
    return means[shifts] / means[0, 0] if means[0, 0] > 0 else np.zeros_like(means[shifts])


def periodicity(grey: NDArray[np.floating], known: NDArray[np.bool_] | None = None) -> float:
    """How well a texture matches itself after the best shift that is not trivial.

    Slow changes of brightness are subtracted first (a Gaussian whose deviation is 1/16 of the shorter side). The result
    is the autocorrelation at its highest peak other than shift 0; a peak is cut off from shift 0 at some level and
    rises 0.1 above that level. It is near 1 for stripes, grids and weaves, and near 0 for grain, brushed metal or
    marble: a texture that does not repeat matches itself the worse, the farther it is shifted.

    Args:
        grey: (H, W), finite.
        known: (H, W), False where a pixel is missing (its value does not matter); None: all are known.

    Returns:
        In [0, 1]; 0 for a constant image, and for one with a side of fewer than 8 pixels, where nothing can repeat.
    """
    if min(grey.shape) < 8:
        return 0.0
    inside = np.ones(grey.shape, dtype=bool) if known is None else known
    if not inside.any():
        return 0.0
    values = np.clip(grey.astype(np.float64), *np.percentile(grey[inside], PERCENTILES))
    values = np.where(inside, values, 0)
    sigma = TREND * min(grey.shape)
    held = gaussian_filter(inside.astype(np.float64), sigma)
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
