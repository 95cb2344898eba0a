"""Feature correspondence on the CPU: each cell's rank in every window that contains it, matched with a reference.

No window is ever sorted. The rank of cell p in window q is the number of smaller cells in that window, and all T * T
windows that contain p share the same (2T - 1)^2 comparisons of p with its neighbours, by running sums. The map is
processed tile by tile and row by row: the T * T costs of a row's cells stay in the cache for all channels.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import numpy as np
import numpy.typing as npt
from numba import njit

from firstsight.kernels.matching_costs import References, Tile, add_matching_costs, ranked, workspace

FloatArray = npt.NDArray[np.float32]

# A task processes one tile of cells and one group of channels. The innermost loops run along the columns; the larger a
# tile is, the smaller is the share of cells around it, which are ranked more than once.
TILE_ROWS = 64
TILE_COLUMNS = 128
GROUP_CHANNELS = 64


def feature_correspondence(
    features: FloatArray,
    references: FloatArray,
    row_weights: FloatArray,
    column_weights: FloatArray,
    *,
    threads: int,
) -> FloatArray:
    """The weighted sum of the costs of matching every cell, in every window that contains it, with reference windows.

    M(p; q), the matching cost of cell p in the T x T window centred on q, is the mean over channels and references of
    abs(F(p) - reference[rank of p in q]); tied cells share the mean cost of the ranks that they occupy together
    (Ardelean and Weyrich 2024, Section 3.2). Windows that cross the border see the map reflected. The result at cell t
    is

        sum over p and q of M(p; q) * row_weights[p_y, q_y - p_y + T // 2, t_y - p_y + R]
                                    * column_weights[p_x, q_x - p_x + T // 2, t_x - p_x + R]

    Args:
        features: (C, H, W), finite, H and W at least T.
        references: (C, T * T, N): the N values of every order statistic, ascending along both last axes.
        row_weights: (H, T, 2R + 1): the weight with which the cost of a cell in row p_y, in the windows of one vertical
            offset, is added to rows p_y - R .. p_y + R. Zero where the window's centre lies outside the map.
        column_weights: (W, T, 2R + 1), the same along x.
        threads: the number of threads.

    Returns:
        (H, W) float32.
    """
    channels, height, width = features.shape
    patch_size, spread = row_weights.shape[1:]
    margin = spread // 2
    sums = np.zeros((*references.shape[:2], references.shape[2] + 1))
    np.cumsum(references, axis=2, out=sums[:, :, 1:])
    prepared = References(np.ascontiguousarray(references), sums)
    contiguous = np.ascontiguousarray(features)

    def task(corner: tuple[int, int, int]) -> FloatArray:
        rows = slice(corner[1], min(corner[1] + TILE_ROWS, height))
        columns = slice(corner[2], min(corner[2] + TILE_COLUMNS, width))
        group = slice(corner[0], corner[0] + GROUP_CHANNELS)
        tile = _tile(rows, columns, (height, width), patch_size)
        chosen = References(prepared.values[group], prepared.sums[group])
        cells = ranked(contiguous[group], chosen, tile, patch_size)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        result = np.zeros((shape[0] + 2 * margin, shape[1] + 2 * margin), np.float32)
        weights = np.ascontiguousarray(column_weights[columns].transpose(1, 2, 0))
        _add_rows(cells, chosen, tile, workspace(tile, patch_size), row_weights[rows], weights, result)
        return result

    starts = (range(0, channels, GROUP_CHANNELS), range(0, height, TILE_ROWS), range(0, width, TILE_COLUMNS))
    corners = list(product(*starts))
    total = np.zeros((height + 2 * margin, width + 2 * margin), np.float32)
    with ThreadPoolExecutor(threads) as pool:
        # Added in a fixed order, so that the sum does not depend on which thread finishes first.
        for (_, y, x), result in zip(corners, pool.map(task, corners), strict=True):
            total[y : y + result.shape[0], x : x + result.shape[1]] += result
    total /= channels
    return total[margin : margin + height, margin : margin + width].copy()


def _tile(rows: slice, columns: slice, shape: tuple[int, int], patch_size: int) -> Tile:
    row_region, row_source = _neighbours(rows, shape[0], patch_size)
    column_region, column_source = _neighbours(columns, shape[1], patch_size)
    column_images = _images(shape[1], patch_size)[columns]
    offsets, edge_columns = np.nonzero(column_images.T > 1)
    return Tile(
        region=(row_region.start, row_region.stop, column_region.start, column_region.stop),
        row_source=row_source,
        column_source=column_source,
        row_images=_images(shape[0], patch_size)[rows],
        column_images=column_images,
        edge_columns=edge_columns,
        edges=np.searchsorted(offsets, np.arange(patch_size + 1)),
    )


def _neighbours(part: slice, size: int, patch_size: int) -> tuple[slice, npt.NDArray[np.int64]]:
    """The region of an axis that a part's windows reach, and where in it the part's neighbours lie after reflection."""
    reach = patch_size - 1
    start, stop = max(0, part.start - reach), min(size, part.stop + reach)
    neighbours = np.abs(np.arange(part.start - reach, part.stop + reach))
    return slice(start, stop), np.where(neighbours < size, neighbours, 2 * (size - 1) - neighbours) - start


def _images(size: int, patch_size: int) -> npt.NDArray[np.int64]:
    """(size, T): how often a window at each offset contains a cell, itself or reflected; 0 beyond the map."""
    half = patch_size // 2
    cells = np.pad(np.arange(size), half, mode="reflect")
    centres = np.arange(size).repeat(patch_size)
    held = np.lib.stride_tricks.sliding_window_view(cells, patch_size).ravel()
    images = np.zeros((size, patch_size), np.int64)
    np.add.at(images, (held, centres - held + half), 1)
    return images


@njit(cache=True, nogil=True)
def _add_rows(cells, references, tile, work, row_weights, column_weights, result):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the weighted costs of a tile to the result (rows + 2R, columns + 2R).

    The weights are (rows, T, 2R + 1) and (T, 2R + 1, columns).
    """
    spread = column_weights.shape[1]
    costs = np.empty(work.first.shape, np.float32)
    for y in range(len(row_weights)):
        costs[:] = 0
        add_matching_costs(y, cells, references, tile, work, costs)
        _spread(costs, row_weights[y], column_weights, result[y : y + spread])


@njit(cache=True, nogil=True)
def _spread(costs, row_weights, column_weights, result):  # type: ignore[no-untyped-def]
    """Add the weighted costs (T, T, width) of a row of cells to the result (2R + 1, columns + 2R).

    The weights are (T, 2R + 1) and (T, 2R + 1, columns).
    """
    patch_size, spread, columns = column_weights.shape
    line = np.empty(columns + spread - 1, np.float32)
    for i in range(patch_size):
        if not row_weights[i].any():
            continue
        line[:] = 0
        for j in range(patch_size):
            cost = costs[i, j]
            for k in range(spread):
                weights = column_weights[j, k]
                if weights.any():
                    shifted = line[k : k + columns]
                    for x in range(columns):
                        shifted[x] += weights[x] * cost[x]
        for k in range(spread):
            weight = row_weights[i, k]
            if weight != 0:
                for x in range(columns + spread - 1):
                    result[k, x] += weight * line[x]
