"""The costs of matching the cells of one tile, in all windows that contain them, with reference windows.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
`table_costs`, touch this file.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from firstsight.kernels.table_costs import PADDED_TABLE, add_table_costs

# The radix sort's digits: three make up a 32-bit key.
DIGIT_BITS = 11
BUCKETS = 1 << DIGIT_BITS


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


class Workspace(NamedTuple):
    """Arrays that are reused for every channel; h x w is the size of the region.

    Attributes:
        values, ranks: (h, w): the features of a channel and their dense ranks.
        tied: (h, w): whether another cell has the same value; False for the smallest value.
        keys, places: (2, h * w), for sorting.
        band: (rows + 4 * half, columns + 4 * half): the ranks in and around the tile.
        first, last: (T, T, columns): for a row, how many cells of each window are smaller, and how many not greater.
        smaller: (2T, 2T, columns), for counting; its first row and column are zero.
    """

    values: npt.NDArray[np.float32]
    ranks: npt.NDArray[Any]
    tied: npt.NDArray[np.bool_]
    keys: npt.NDArray[np.uint32]
    places: npt.NDArray[np.int32]
    band: npt.NDArray[Any]
    first: npt.NDArray[Any]
    last: npt.NDArray[Any]
    smaller: npt.NDArray[Any]


def workspace(tile: Tile, patch_size: int) -> Workspace:
    """Allocate the working arrays for a tile."""
    top, bottom, left, right = tile.region
    size = (bottom - top) * (right - left)
    # The smallest types that hold all ranks and all positions in a cost table: SIMD handles more of them at a time.
    rank_type = np.uint16 if size < 2**16 else np.uint32
    count_type = np.uint8 if 2 * patch_size**2 <= 2**8 else np.uint16 if 2 * patch_size**2 <= 2**16 else np.uint32
    columns = len(tile.column_images)
    return Workspace(
        values=np.empty((bottom - top, right - left), np.float32),
        ranks=np.empty((bottom - top, right - left), rank_type),
        tied=np.empty((bottom - top, right - left), np.bool_),
        keys=np.empty((2, size), np.uint32),
        places=np.empty((2, size), np.int32),
        band=np.empty((len(tile.row_source), len(tile.column_source)), rank_type),
        first=np.empty((patch_size, patch_size, columns), count_type),
        last=np.empty((patch_size, patch_size, columns), count_type),
        smaller=np.zeros((2 * patch_size, 2 * patch_size, columns), count_type),
    )


@njit(cache=True, nogil=True)
def add_matching_costs(features, references, tile, work, costs):  # type: ignore[no-untyped-def]
    """Add to the costs of a tile those of all channels, each averaged over the references.

    Tied cells share the mean cost of the ranks that they occupy together.

    Args:
        features: (C, H, W) float32, finite.
        references: `References`.
        tile: `Tile`.
        work: its `workspace`.
        costs: (rows, T, T, columns) float32, added to; [y, i, j, x] is the cost of cell (y, x) of the tile in the
            window centred i - half rows below and j - half columns right of it.
    """
    top, bottom, left, right = tile.region
    for channel in range(len(features)):
        least = np.float32(np.inf)
        for i in range(bottom - top):
            for j in range(right - left):
                value = features[channel, top + i, left + j]
                work.values[i, j] = value
                least = min(least, value)
        _rank(work, least)
        for i in range(len(tile.row_source)):
            for j in range(len(tile.column_source)):
                work.band[i, j] = work.ranks[tile.row_source[i], tile.column_source[j]]
        if references.values.shape[2] == 1:
            tables = _tables(least, references.values[channel, :, 0])
            for y in range(len(costs)):
                _add_row(y, tables, tile, work, costs[y])
        else:
            chosen = (references.values[channel], references.sums[channel])
            for y in range(len(costs)):
                _add_row_of_several(y, chosen, tile, work, costs[y])


@njit(cache=True, nogil=True)
def _rank(work, least):  # type: ignore[no-untyped-def]
    """Fill ranks and tied from values: rank 0 for the smallest value, 1 for the next greater one, and so on.

    A radix sort of the values above the smallest: after a ReLU, that is half of them.
    """
    values, ranks, tied = work.values.ravel(), work.ranks.ravel(), work.tied.ravel()
    keys, places = work.keys, work.places
    bits = values.view(np.uint32)
    counts = np.zeros((3, BUCKETS), np.int32)
    size = 0
    for place in range(len(values)):
        tied[place] = False
        ranks[place] = 0
        # Read as integers, positive floats keep their order, negative ones reverse it; -0.0 counts as 0.0.
        key = np.uint32(0) if values[place] == 0 else bits[place]
        key = ~key if key >> np.uint32(31) else key | np.uint32(0x80000000)
        keys[0, size] = key
        places[0, size] = place
        # Added instead of branched on: an unpredictable branch would take longer than all the rest.
        above = 1 if values[place] > least else 0
        size += above
        for digit in range(3):
            counts[digit, (key >> np.uint32(DIGIT_BITS * digit)) & np.uint32(BUCKETS - 1)] += above
    source = 0
    for digit in range(3):
        start = 0
        for bucket in range(BUCKETS):
            count = counts[digit, bucket]
            counts[digit, bucket] = start
            start += count
        for i in range(size):
            key = keys[source, i]
            bucket = (key >> np.uint32(DIGIT_BITS * digit)) & np.uint32(BUCKETS - 1)
            target = counts[digit, bucket]
            counts[digit, bucket] = target + 1
            keys[1 - source, target] = key
            places[1 - source, target] = places[source, i]
        source = 1 - source
    rank = 0
    for i in range(size):
        if i > 0 and keys[source, i] == keys[source, i - 1]:
            tied[places[source, i]] = True
            tied[places[source, i - 1]] = True
        else:
            rank += 1
        ranks[places[source, i]] = rank


@njit(cache=True, nogil=True)
def _tables(least, reference):  # type: ignore[no-untyped-def]
    """The tables in which the costs with one reference window are looked up.

    Returns:
        (2 * T * T,), or longer, float32: the reference, then the mean costs of 1 .. T * T cells that all have the
            smallest value;
        (T * T + 1,): the sums of the first 0 .. T * T reference values.
    """
    ranks = len(reference)
    table = np.zeros(max(2 * ranks, PADDED_TABLE), np.float32)
    sums = np.zeros(ranks + 1)
    total = 0.0
    for rank in range(ranks):
        table[rank] = reference[rank]
        sums[rank + 1] = sums[rank] + reference[rank]
        total += abs(np.float64(least) - reference[rank])
        table[ranks + rank] = total / (rank + 1)
    return table, sums


@njit(cache=True, nogil=True)
def _add_row(y, tables, tile, work, costs):  # type: ignore[no-untyped-def]
    """Add to costs (T, T, columns) those of row y of the tile, for one reference window.

    Cells get the cost of their first rank. Those of the smallest value, which are many after a ReLU, get their mean
    cost at once: their ranks begin at 0, so their number determines it. Then the few other cells are corrected that are
    tied with another cell or with their own reflections.
    """
    table, sums = tables
    patch_size, _, columns = costs.shape
    reach = patch_size - 1
    reference = table[: patch_size * patch_size]
    neighbours = work.band[y : y + 2 * reach + 1]
    ranks = neighbours[reach, reach : reach + columns]
    line, column = tile.row_source[y + reach], tile.column_source[reach]
    values = work.values[line, column : column + columns]
    tied = work.tied[line, column : column + columns]
    limits = np.empty(columns, ranks.dtype)
    offsets = np.empty(columns, work.first.dtype)
    targets = np.empty(columns, np.float32)
    for x in range(columns):
        is_least = ranks[x] == 0
        limits[x] = ranks[x] + is_least
        offsets[x] = patch_size * patch_size - 1 if is_least else 0
        targets[x] = 0 if is_least else values[x]
    _count_below(neighbours, limits, work.smaller, work.first)
    add_table_costs(work.first, offsets, targets, table, costs)
    if tied.any():
        for x in range(columns):
            limits[x] = ranks[x] + 1
        _count_below(neighbours, limits, work.smaller, work.last)
        for x in range(columns):
            if tied[x]:
                _share_ranks(x, values[x], (reference, sums), work, costs)
    _share_with_reflections(y, reference, tile, work, costs)


@njit(cache=True, nogil=True)
def _share_with_reflections(y, reference, tile, work, costs):  # type: ignore[no-untyped-def]
    """In row y, replace the cost of a cell's first rank by the mean over the ranks of the cell and its reflections."""
    patch_size, _, columns = costs.shape
    line, column = tile.row_source[y + patch_size - 1], tile.column_source[patch_size - 1]
    values = work.values[line, column : column + columns]
    ranks = work.ranks[line, column : column + columns]
    tied = work.tied[line, column : column + columns]
    for i in range(patch_size):
        whole_row = tile.row_images[y, i] > 1
        for j in range(patch_size):
            start, stop = (0, columns) if whole_row else (tile.edges[j], tile.edges[j + 1])
            for place in range(start, stop):
                x = place if whole_row else tile.edge_columns[place]
                images = tile.row_images[y, i] * tile.column_images[x, j]
                if images > 1 and ranks[x] > 0 and not tied[x]:
                    first = np.int64(work.first[i, j, x])
                    total = np.float32(0)
                    for rank in range(first, first + images):
                        total += abs(values[x] - reference[rank])
                    costs[i, j, x] += total / np.float32(images) - abs(values[x] - reference[first])


@njit(cache=True, nogil=True)
def _share_ranks(x, value, tables, work, costs):  # type: ignore[no-untyped-def]
    """In column x of costs (T, T, columns), replace the cost of the first rank by the mean over first .. last - 1."""
    reference, sums = tables
    patch_size = len(costs)
    split = np.searchsorted(reference, value)
    for i in range(patch_size):
        for j in range(patch_size):
            start, stop = np.int64(work.first[i, j, x]), np.int64(work.last[i, j, x])
            if stop - start > 1:
                # References of ranks below the middle are smaller than the value, the others are not.
                middle = min(max(split, start), stop)
                under = (middle - start) * value - (sums[middle] - sums[start])
                over = sums[stop] - sums[middle] - (stop - middle) * value
                costs[i, j, x] += (under + over) / (stop - start) - abs(value - reference[start])


@njit(cache=True, nogil=True)
def _add_row_of_several(y, references, tile, work, costs):  # type: ignore[no-untyped-def]
    """Add to costs (T, T, columns) those of row y of the tile, averaged over references: values and sums (T * T, N)."""
    values, sums = references
    ranks, count = values.shape
    patch_size, _, columns = costs.shape
    reach = patch_size - 1
    neighbours = work.band[y : y + 2 * reach + 1]
    limits = neighbours[reach, reach : reach + columns].copy()
    _count_below(neighbours, limits, work.smaller, work.first)
    for x in range(columns):
        limits[x] += 1
    _count_below(neighbours, limits, work.smaller, work.last)
    cumulative = np.zeros(ranks + 1)
    for x in range(columns):
        value = work.values[tile.row_source[y + reach], tile.column_source[x + reach]]
        for rank in range(ranks):
            below = np.searchsorted(values[rank], value)
            under = below * value - sums[rank, below]
            over = sums[rank, count] - sums[rank, below] - (count - below) * value
            cumulative[rank + 1] = cumulative[rank] + (under + over) / count
        for i in range(patch_size):
            for j in range(patch_size):
                start, stop = np.int64(work.first[i, j, x]), np.int64(work.last[i, j, x])
                costs[i, j, x] += (cumulative[stop] - cumulative[start]) / (stop - start)


@njit(cache=True, nogil=True)
def _count_below(neighbours, limits, smaller, counts):  # type: ignore[no-untyped-def]
    """Count, for a row of cells and each of the T * T windows that contain them, the ranks below the cells' limits.

    Args:
        neighbours: (4 * half + 1, columns + 4 * half), ranks.
        limits: (columns,).
        smaller: `Workspace.smaller`; [i, j] counts the ranks in the first i rows and j columns of the neighbours. These
            numbers may overflow; their differences, at most T * T, are still right.
        counts: (T, T, columns), written.
    """
    patch_size, _, columns = counts.shape
    span = 2 * patch_size - 1
    below = np.empty((span, columns), np.uint8)
    running = np.empty(columns, smaller.dtype)
    for i in range(span):
        for j in range(span):
            shifted = neighbours[i, j : j + columns]
            below_limit = below[j]
            for x in range(columns):
                below_limit[x] = shifted[x] < limits[x]
        running[:] = 0
        for j in range(span):
            below_limit = below[j]
            above = smaller[i, j + 1]
            sums = smaller[i + 1, j + 1]
            for x in range(columns):
                total = running[x] + below_limit[x]
                running[x] = total
                sums[x] = above[x] + total
    for i in range(patch_size):
        for j in range(patch_size):
            start, end = smaller[i, j], smaller[i + patch_size, j + patch_size]
            right, under = smaller[i, j + patch_size], smaller[i + patch_size, j]
            count = counts[i, j]
            for x in range(columns):
                count[x] = end[x] - right[x] - under[x] + start[x]
