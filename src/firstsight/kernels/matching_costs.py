"""The costs of matching the cells of one tile, in all windows that contain them, with reference windows.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to a
file that this one imports from, touch this file and `feature_correspondence`.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from firstsight.kernels.ranks import rank_cells
from firstsight.kernels.shared_ranks import share_ranks
from firstsight.kernels.table_costs import PADDED_TABLE, add_table_costs
from firstsight.kernels.window_counts import LANES, count_below


class Tile(NamedTuple):
    """The cells whose costs are computed, a rectangle of rows x columns, and their surroundings.

    Attributes:
        region: top, bottom, left and right of the cells of the map that the windows of the tile reach.
        row_source: (rows + 4 * half,): for each row in and around the tile, its row in the region, after reflection.
        column_source: (columns + 4 * half,): the same along x.
        row_images: (rows, T): how often windows of each vertical offset contain a cell, itself or reflected.
        column_images: (columns, T): the same along x.
        edge_columns: the columns where column_images is above 1, one horizontal offset after another.
        edges: (T + 1,): where the columns of each offset start in edge_columns, and where the last ones end.
    """

    region: tuple[int, int, int, int]
    row_source: npt.NDArray[np.int64]
    column_source: npt.NDArray[np.int64]
    row_images: npt.NDArray[np.int64]
    column_images: npt.NDArray[np.int64]
    edge_columns: npt.NDArray[np.int64]
    edges: npt.NDArray[np.int64]


class References(NamedTuple):
    """Reference windows.

    Attributes:
        values: (C, T * T, N) float32: the N values of every order statistic, ascending along both last axes.
        sums: (C, T * T, N + 1): the sums of the first 0 .. N values.
    """

    values: npt.NDArray[np.float32]
    sums: npt.NDArray[np.float64]


class Ranked(NamedTuple):
    """The channels of a tile, ranked, and their cost tables; width is the tile's columns, but at least LANES.

    Attributes:
        values: (C, rows, width) float32.
        ranks: (C, rows + 4 * half, width + 4 * half): dense ranks in and around the tile; 0 beyond its columns.
        tied: (C, rows, width): whether another cell of the region has the same value; False for the smallest value.
        tables: (C, 2 * T * T), or longer, float32: the reference, then the mean costs of 1 .. T * T cells that all have
            the channel's smallest value.
        sums: (C, T * T + 1): the sums of the first 0 .. T * T reference values.
        images: (T, width): how often windows of each horizontal offset contain a cell, itself or reflected.
    """

    values: npt.NDArray[np.float32]
    ranks: npt.NDArray[Any]
    tied: npt.NDArray[np.bool_]
    tables: npt.NDArray[np.float32]
    sums: npt.NDArray[np.float64]
    images: npt.NDArray[Any]


class Workspace(NamedTuple):
    """Arrays that are reused for every row and channel.

    Attributes:
        first, last: (T, T, width): for a row, how many cells of each window are smaller, and how many not greater.
        compared, runs: (2T - 1, LANES) and (2T - 1, T, LANES), for counting.
    """

    first: npt.NDArray[Any]
    last: npt.NDArray[Any]
    compared: npt.NDArray[Any]
    runs: npt.NDArray[Any]


def workspace(tile: Tile, patch_size: int) -> Workspace:
    """Allocate the working arrays for a tile."""
    width = max(len(tile.column_images), LANES)
    count_type = _smallest_type(2 * patch_size**2)
    run_type = _smallest_type(2 * patch_size)
    return Workspace(
        first=np.empty((patch_size, patch_size, width), count_type),
        last=np.empty((patch_size, patch_size, width), count_type),
        compared=np.empty((2 * patch_size - 1, LANES), run_type),
        runs=np.empty((2 * patch_size - 1, patch_size, LANES), run_type),
    )


def ranked(features: npt.NDArray[np.float32], references: References, tile: Tile, patch_size: int) -> Ranked:
    """Rank the cells in and around a tile, channel by channel, and prepare the look-up of their costs.

    Args:
        features: (C, H, W), finite.
        references: of the same channels.
        tile: the tile.
        patch_size: T.
    """
    top, bottom, left, right = tile.region
    size = (bottom - top) * (right - left)
    rows, columns = len(tile.row_images), len(tile.column_images)
    channels, width, squared = len(features), max(columns, LANES), patch_size**2
    around = (len(tile.row_source), len(tile.column_source) + width - columns)
    images = np.zeros((patch_size, width), _smallest_type(2 * squared))
    images[:, :columns] = tile.column_images.T
    result = Ranked(
        values=np.zeros((channels, rows, width), np.float32),
        ranks=np.zeros((channels, *around), np.uint16 if size < 2**16 else np.uint32),
        tied=np.zeros((channels, rows, width), np.bool_),
        tables=np.zeros((channels, max(2 * squared, PADDED_TABLE)), np.float32),
        sums=np.zeros((channels, squared + 1)),
        images=images,
    )
    _fill(features, references.values, tile, result)
    return result


def _smallest_type(greatest: int) -> type[Any]:
    """The smallest type that holds all numbers up to the greatest: SIMD handles more of them at a time."""
    return np.uint8 if greatest < 2**8 else np.uint16 if greatest < 2**16 else np.uint32


@njit(cache=True, nogil=True)
def _fill(features, references, tile, result):  # type: ignore[no-untyped-def]
    top, bottom, left, right = tile.region
    shape = (bottom - top, right - left)
    size = shape[0] * shape[1]
    values = np.empty(shape, np.float32)
    ranks = np.empty(shape, result.ranks.dtype)
    tied = np.empty(shape, np.bool_)
    keys, places = np.empty((2, size), np.uint32), np.empty((2, size), np.int32)
    rows, columns = len(tile.row_images), len(tile.column_images)
    reach = (len(tile.row_source) - rows) // 2
    for channel in range(len(features)):
        least = np.float32(np.inf)
        for i in range(shape[0]):
            for j in range(shape[1]):
                value = features[channel, top + i, left + j]
                values[i, j] = value
                least = min(least, value)
        rank_cells(values.ravel(), least, keys, places, ranks.ravel(), tied.ravel())
        for i in range(len(tile.row_source)):
            for j in range(len(tile.column_source)):
                result.ranks[channel, i, j] = ranks[tile.row_source[i], tile.column_source[j]]
        for i in range(rows):
            for j in range(columns):
                row, column = tile.row_source[i + reach], tile.column_source[j + reach]
                result.values[channel, i, j] = values[row, column]
                result.tied[channel, i, j] = tied[row, column]
        if references.shape[2] == 1:
            _fill_table(least, references[channel, :, 0], result.tables[channel], result.sums[channel])


@njit(cache=True, nogil=True)
def _fill_table(least, reference, table, sums):  # type: ignore[no-untyped-def]
    ranks = len(reference)
    total = 0.0
    for rank in range(ranks):
        table[rank] = reference[rank]
        sums[rank + 1] = sums[rank] + reference[rank]
        total += abs(np.float64(least) - reference[rank])
        table[ranks + rank] = total / (rank + 1)


@njit(cache=True, nogil=True)
def add_matching_costs(y, cells, references, tile, work, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add to the costs of a row of a tile those of all channels, each averaged over the references.

    Tied cells share the mean cost of the ranks that they occupy together.

    Args:
        y: the row.
        cells: `ranked` for the tile.
        references: `References` of the same channels.
        tile: `Tile`.
        work: its `workspace`.
        costs: (T, T, width) float32, added to; [i, j, x] is the cost of cell (y, x) of the tile in the window centred
            i - half rows below and j - half columns right of it. Nothing is added where that centre lies in a row
            beyond the map.
    """
    for channel in range(len(cells.values)):
        if references.values.shape[2] == 1:
            _add_channel(y, channel, cells, tile, work, costs)
        else:
            chosen = (references.values[channel], references.sums[channel])
            _add_channel_of_several(y, channel, cells, chosen, work, costs)


@njit(cache=True, nogil=True)
def _add_channel(y, channel, cells, tile, work, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the costs of one channel, for one reference window.

    Cells get the cost of their first rank. Those of the smallest value, which are many after a ReLU, get their mean
    cost at once: their ranks begin at 0, so their number determines it. Then the cells are corrected that are tied with
    another cell or with their own reflections.
    """
    patch_size, _, width = costs.shape
    reach, squared = patch_size - 1, patch_size * patch_size
    neighbours = cells.ranks[channel, y : y + 2 * reach + 1]
    ranks = neighbours[reach, reach : reach + width]
    values, table = cells.values[channel, y], cells.tables[channel]
    limits = np.empty(width, ranks.dtype)
    offsets = np.empty(width, work.first.dtype)
    targets = np.empty(width, np.float32)
    for x in range(width):
        is_least = ranks[x] == 0
        limits[x] = ranks[x] + is_least
        offsets[x] = squared - 1 if is_least else 0
        targets[x] = 0 if is_least else values[x]
    count_below(neighbours, limits, work.compared, work.runs, work.first)
    inside = np.flatnonzero(tile.row_images[y])
    above, below = inside[0], inside[-1] + 1
    first, last, inner_costs = work.first[above:below], work.last[above:below], costs[above:below]
    add_table_costs(first, offsets, targets, table, inner_costs)
    reference, sums = table[:squared], cells.sums[channel]
    if cells.tied[channel, y].any():
        for x in range(width):
            limits[x] = ranks[x] + 1
        count_below(neighbours, limits, work.compared, work.runs, work.last)
        share_ranks(first, last, values, reference, sums, inner_costs)
        return
    for i in range(above, below):
        if tile.row_images[y, i] > 1:
            first, last = work.first[i : i + 1], work.last[i : i + 1]
            _count_images(tile.row_images[y, i], cells.images, ranks, first[0], last[0])
            share_ranks(first, last, values, reference, sums, costs[i : i + 1])
        else:
            _share_across_columns(tile, values, ranks, reference, work.first[i], costs[i])


@njit(cache=True, nogil=True)
def _count_images(row_images, column_images, ranks, first, last):  # type: ignore[no-untyped-def]
    """Fill last (T, width) where a cell is tied with nothing but its own reflections; the smallest have their cost."""
    patch_size, width = first.shape
    for j in range(patch_size):
        for x in range(width):
            last[j, x] = first[j, x] + (0 if ranks[x] == 0 else row_images * column_images[j, x])


@njit(cache=True, nogil=True)
def _share_across_columns(tile, values, ranks, reference, first, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Where the windows of a row (T, width) contain a cell twice, as itself and reflected at a column of the border."""
    for j in range(len(first)):
        for x in tile.edge_columns[tile.edges[j] : tile.edges[j + 1]]:
            if ranks[x] > 0:
                rank = np.int64(first[j, x])
                second = abs(values[x] - reference[rank + 1])
                costs[j, x] += np.float32(0.5) * (second - abs(values[x] - reference[rank]))


@njit(cache=True, nogil=True)
def _add_channel_of_several(y, channel, cells, references, work, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the costs of one channel, averaged over references: values and sums (T * T, N)."""
    values, sums = references
    ranks, count = values.shape
    patch_size, _, width = costs.shape
    reach = patch_size - 1
    neighbours = cells.ranks[channel, y : y + 2 * reach + 1]
    limits = neighbours[reach, reach : reach + width].copy()
    count_below(neighbours, limits, work.compared, work.runs, work.first)
    for x in range(width):
        limits[x] += 1
    count_below(neighbours, limits, work.compared, work.runs, work.last)
    cumulative = np.zeros(ranks + 1)
    for x in range(width):
        value = cells.values[channel, y, x]
        for rank in range(ranks):
            below = np.searchsorted(values[rank], value)
            under = below * value - sums[rank, below]
            over = sums[rank, count] - sums[rank, below] - (count - below) * value
            cumulative[rank + 1] = cumulative[rank] + (under + over) / count
        for i in range(patch_size):
            for j in range(patch_size):
                start, stop = np.int64(work.first[i, j, x]), np.int64(work.last[i, j, x])
                costs[i, j, x] += (cumulative[stop] - cumulative[start]) / (stop - start)
