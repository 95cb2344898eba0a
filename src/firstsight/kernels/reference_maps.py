"""Feature correspondence with many reference windows on the CPU: a map for each of them.

A cell's rank in a window does not depend on the reference. It is counted once for all references, and these lie along
the innermost axis, so that an error of a cell is computed for many of them by the same instructions.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
`window_counts`, touch this file.
"""

import numpy as np
import numpy.typing as npt
from numba import njit

from firstsight.kernels.window_counts import LANES, count_below

FloatArray = npt.NDArray[np.float32]

# References whose errors are summed at a time: so the values of a hundred channels stay in the cache.
BLOCK = 512


def reference_maps(
    features: FloatArray, references: FloatArray, row_weights: FloatArray, column_weights: FloatArray
) -> FloatArray:
    """For each reference alone, what `kernels.feature_correspondence` computes for the mean over references.

    Args:
        features: (C, H, W), finite, H and W at least T.
        references: (C, T * T, N): N windows, each channel of which ascends along the second axis.
        row_weights, column_weights: as there.

    Returns:
        (H, W, N) float32.
    """
    channels, height, width = features.shape
    patch_size, spread = row_weights.shape[1:]
    margin, reach = spread // 2, patch_size - 1
    ranks = [np.unique(channel, return_inverse=True)[1].reshape(height, width) for channel in features]
    reflected = np.pad(np.array(ranks, np.uint32), ((0, 0), (reach, reach), (reach, reach)), mode="reflect")
    counted = max(width, LANES)
    padded = np.pad(reflected, ((0, 0), (0, 0), (0, counted - width)))
    blocks = [slice(start, start + BLOCK) for start in range(0, references.shape[2], BLOCK)]
    prepared = [(part, *_with_sums(references[:, :, part])) for part in blocks]
    # How many cells of each window are smaller than the cell, and how many are not greater.
    counts = np.empty((2, channels, patch_size, patch_size, counted), np.uint32)
    result = np.zeros((height + 2 * margin, width + 2 * margin, references.shape[2]), np.float32)
    for y in range(height):
        _count_row(np.ascontiguousarray(padded[:, y : y + 2 * reach + 1]), counts)
        cells = np.ascontiguousarray(features[:, y])
        for part, values, sums in prepared:
            rows = result[y : y + spread, :, part]
            _add_row(cells, counts, values, sums, row_weights[y], column_weights, rows)
    result /= channels
    return result[margin : margin + height, margin : margin + width]


def _with_sums(references: FloatArray) -> tuple[FloatArray, FloatArray]:
    """References (C, T * T, N), and the sums (C, T * T + 1, N) of all values before each."""
    channels, size, count = references.shape
    sums = np.zeros((channels, size + 1, count), np.float32)
    np.cumsum(references, axis=1, out=sums[:, 1:])
    return np.ascontiguousarray(references), sums


@njit(cache=True, nogil=True)
def _count_row(padded, counts):  # type: ignore[no-untyped-def]
    """Fill counts (2, C, T, T, W) for a row of cells, the middle one of ranks padded (C, 2T - 1, W + 2T - 2)."""
    _, channels, patch_size, _, width = counts.shape
    compared = np.empty((2 * patch_size - 1, LANES), np.uint32)
    runs = np.empty((2 * patch_size - 1, patch_size, LANES), np.uint32)
    for channel in range(channels):
        limits = padded[channel, patch_size - 1, patch_size - 1 : patch_size - 1 + width].copy()
        count_below(padded[channel], limits, compared, runs, counts[0, channel])
        for x in range(width):
            limits[x] += 1
        count_below(padded[channel], limits, compared, runs, counts[1, channel])


@njit(cache=True, nogil=True)
def _add_row(cells, counts, values, sums, row_weights, column_weights, result):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the weighted errors of a row of cells (C, W) to the result (2R + 1, W + 2R, N), for a block of references.

    The weights are (T, 2R + 1) and (W, T, 2R + 1).
    """
    patch_size, spread = row_weights.shape
    count = values.shape[2]
    least = np.array([channel[0].min() for channel in values])
    errors = np.empty(count, np.float32)
    line = np.empty((spread, count), np.float32)
    for x in range(cells.shape[1]):
        for i in range(patch_size):
            if not row_weights[i].any():
                continue
            line[:] = 0
            for j in range(patch_size):
                if column_weights[x, j].any():
                    _sum_errors(cells[:, x], counts[:, :, i, j, x], values, sums, least, errors)
                    for k in range(spread):
                        for n in range(count):
                            line[k, n] += column_weights[x, j, k] * errors[n]
            for k in range(spread):
                for m in range(spread):
                    for n in range(count):
                        result[k, x + m, n] += row_weights[i, k] * line[m, n]


@njit(cache=True, nogil=True)
def _sum_errors(cell, counts, values, sums, least, errors):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Fill errors (N,): of a cell (C,) in one window, for each reference, summed over channels."""
    errors[:] = 0
    count = len(errors)
    for channel, value in enumerate(cell):
        first, last = counts[0, channel], counts[1, channel]
        share = np.float32(1) / np.float32(last - first)
        # Below all references lies, as a rule, what a ReLU has made zero: errors of many tied cells come from sums.
        if value <= least[channel]:
            for n in range(count):
                error = sums[channel, last, n] - sums[channel, first, n]
                errors[n] += error * share - value
        else:
            for rank in range(first, last):
                for n in range(count):
                    errors[n] += abs(value - values[channel, rank, n]) * share
