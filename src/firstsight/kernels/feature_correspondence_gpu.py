"""Feature correspondence on a GPU: the same as `feature_correspondence` on the CPU, as one Triton kernel.

A lane processes one cell in a group of channels. For each channel it compares the cell with its neighbours row by row,
counts the smaller and the equal cells in every window that contains the cell by running sums, looks up the costs of the
cell's ranks, and sums these costs over channels in registers. Nothing is sorted, and no array holds a value for every
cell, channel and position in a window.
"""

# Triton takes a kernel's arguments by position and does not know starred tuples.
# ruff: noqa: PLR0917, RUF005

import torch
import triton
import triton.language as tl
from torch.nn import functional

# Lanes per program: consecutive cells of the map, in raster order.
CELLS = 128
WARPS = 4
# The fewest programs, among which channels are split: several for each of the hundred or so multiprocessors.
PROGRAMS = 4096
# Values held at a time of the cost table that several references need: 128 MiB.
TABLE_VALUES = 2**25


def feature_correspondence(
    features: torch.Tensor,
    references: torch.Tensor,
    row_weights: torch.Tensor,
    column_weights: torch.Tensor,
) -> torch.Tensor:
    """The weighted sum of the costs of matching every cell, in every window that contains it, with reference windows.

    The same as `kernels.feature_correspondence.feature_correspondence`, which defines it, for tensors on one CUDA
    device. The two differ only by rounding: here, sums of references are float32, and the middle value of each
    channel is subtracted first so that they stay small.

    Args:
        features: (C, H, W) float32, finite, H and W at least T; T at most 181.
        references: (C, T * T, N) float32: the N values of every order statistic, ascending along both last axes.
        row_weights: (H, T, 2R + 1) float32.
        column_weights: (W, T, 2R + 1) float32.

    Returns:
        (H, W) float32.
    """
    channels, height, width = features.shape
    patch_size = row_weights.shape[1]
    ranks, count = references.shape[1:]
    with torch.cuda.device_of(features):  # type: ignore[no-untyped-call]
        values, ordered = features.contiguous(), references.contiguous()
        if count == 1:
            origins, centred = _centred(ordered)
            lines = _spread_costs(values, ordered, _sums(centred[:, :, 0]), origins, column_weights)
        else:
            lines = torch.zeros((patch_size, height, width + column_weights.shape[2] - 1), device=features.device)
            group = max(1, TABLE_VALUES // (height * width * (ranks + 1)))
            for start in range(0, channels, group):
                part = slice(start, start + group)
                table = _cost_table(values[part], ordered[part])
                lines += _spread_costs(values[part], table, table, table, column_weights)
        return _gather_rows(lines, row_weights) / channels


def _centred(references: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The middle value (C,) of every channel of references (C, T * T, N), and the references minus these values."""
    ranks, count = references.shape[1:]
    origins = references[:, ranks // 2, count // 2].clone()
    return origins, references - origins[:, None, None]


def _sums(values: torch.Tensor) -> torch.Tensor:
    """The sums of the first 0 .. N values of (..., N): (..., N + 1) float32."""
    return functional.pad(values.cumsum(-1, dtype=torch.float64), (1, 0)).to(torch.float32).contiguous()


def _cost_table(values: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
    """The mean costs over references (C, T * T, N), summed over the first 0 .. T * T ranks: (C, T * T + 1, H * W)."""
    channels, height, width = values.shape
    ranks, count = references.shape[1:]
    origins, centred = _centred(references)
    table = torch.empty((channels, ranks + 1, height * width), device=values.device)
    grid = (triton.cdiv(height * width, CELLS), channels)
    _cost_table_kernel[grid](
        values,
        references,
        _sums(centred),
        origins,
        table,
        height * width,
        ranks,
        count,
        _greatest_power_of_two(count),
        CELLS,
        num_warps=WARPS,
        enable_fp_fusion=True,
    )
    return table


def _spread_costs(
    values: torch.Tensor,
    costs: torch.Tensor,
    sums: torch.Tensor,
    origins: torch.Tensor,
    column_weights: torch.Tensor,
) -> torch.Tensor:
    """The costs of all cells and windows, summed over channels and, weighted, over x: (T, H, W + 2R).

    Args:
        values: (C, H, W).
        costs: one reference (C, T * T, 1), or the `_cost_table` of several, which then stands for sums and origins too.
        sums: (C, T * T + 1), of the reference minus the origins.
        origins: (C,).
        column_weights: (W, T, 2R + 1).
    """
    channels, height, width = values.shape
    patch_size, spread = column_weights.shape[1:]
    windows = _rows_at_once(patch_size)
    blocks, shifts = triton.cdiv(height * width, CELLS), triton.cdiv(patch_size, windows)
    group_channels = triton.cdiv(channels, min(channels, triton.cdiv(PROGRAMS, blocks * shifts)))
    groups = triton.cdiv(channels, group_channels)
    spread_costs = torch.empty((groups, patch_size, spread, height, width), device=values.device)
    _correspondence_kernel[(blocks, shifts, groups)](
        functional.pad(values[None], [patch_size - 1] * 4, mode="reflect"),
        costs,
        sums,
        origins,
        column_weights.contiguous(),
        spread_costs,
        channels,
        height,
        width,
        group_channels,
        _greatest_power_of_two(patch_size**2),
        patch_size,
        windows,
        spread,
        sums is costs,
        CELLS,
        num_warps=WARPS,
        enable_fp_fusion=True,
    )
    total = spread_costs.sum(0)
    lines = torch.zeros((patch_size, height, width + spread - 1), device=values.device)
    for shift in range(spread):
        lines[:, :, shift : shift + width] += total[:, shift]
    return lines


def _gather_rows(lines: torch.Tensor, row_weights: torch.Tensor) -> torch.Tensor:
    """The weighted sum over y of lines (T, H, W + 2R), with weights (H, T, 2R + 1): (H, W)."""
    height, _, spread = row_weights.shape
    margin = spread // 2
    result = torch.zeros((height + 2 * margin, lines.shape[2]), device=lines.device)
    for shift in range(spread):
        result[shift : shift + height] += (lines * row_weights[:, :, shift].T[:, :, None]).sum(0)
    return result[margin : margin + height, margin : lines.shape[2] - margin]


def _rows_at_once(patch_size: int) -> int:
    """How many of the T vertical offsets of a window one program handles.

    The more it handles, the more rows are counted once for several windows; but registers must hold two numbers per
    window, and compile time grows with the square of the code.
    """
    if patch_size <= 9:
        return min(patch_size, 3)
    return 2 if patch_size <= 15 else 1


def _greatest_power_of_two(size: int) -> int:
    """The greatest power of two up to size."""
    return 1 << (size.bit_length() - 1)


@triton.jit(do_not_specialize=["channels", "height", "width", "group_channels", "greatest_step"])
def _correspondence_kernel(  # type: ignore[no-untyped-def]
    padded,
    costs,
    sums,
    origins,
    column_weights,
    spread_costs,
    channels,
    height,
    width,
    group_channels,
    greatest_step,
    SIZE: tl.constexpr,
    ROWS: tl.constexpr,
    SPREAD: tl.constexpr,
    SEVERAL: tl.constexpr,
    CELLS: tl.constexpr,
):
    """Fill spread_costs (groups, T, 2R + 1, H, W) for a group of channels, CELLS cells and ROWS of T vertical offsets.

    The map is padded by T - 1 cells, as far as the windows reach that contain a cell at the border.
    """
    cells = height * width
    cell = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    inside = cell < cells
    cell = tl.minimum(cell, cells - 1)
    y, x = cell // width, cell % width
    # If ROWS does not divide T, the last programs write the same numbers again for some offsets.
    top = tl.minimum(tl.program_id(1) * ROWS, SIZE - ROWS)
    group = tl.program_id(2)
    pitch = width + 2 * SIZE - 2
    plane = (height + 2 * SIZE - 2) * pitch

    total = (tl.zeros((CELLS,), tl.float32),) * (ROWS * SIZE)
    first, last = group * group_channels, tl.minimum((group + 1) * group_channels, channels)
    image = padded + first.to(tl.int64) * plane
    table = costs + first.to(tl.int64) * (SIZE * SIZE + 1) * cells
    reference, reference_sums = costs + first * SIZE * SIZE, sums + first * (SIZE * SIZE + 1)
    origin = origins + first
    for _ in range(first, last):
        value = tl.load(image + (y + SIZE - 1) * pitch + x + SIZE - 1)
        counts = _window_counts(image + (y + top) * pitch + x, pitch, value, SIZE, ROWS)
        if SEVERAL:
            total = _add_table_costs(total, counts, table + cell, cells, ROWS * SIZE)
        else:
            split = _count_below(value, reference, SIZE * SIZE, greatest_step)
            total = _add_costs(total, counts, value, split, reference, reference_sums, tl.load(origin), ROWS * SIZE)
        image += plane
        table += (SIZE * SIZE + 1) * cells
        reference += SIZE * SIZE
        reference_sums += SIZE * SIZE + 1
        origin += 1

    for row in tl.static_range(ROWS):
        for shift in range(SPREAD):
            spread_cost = tl.zeros((CELLS,), tl.float32)
            for column in tl.static_range(SIZE):
                weight = tl.load(column_weights + (x * SIZE + column) * SPREAD + shift)
                spread_cost += weight * total[row * SIZE + column]
            place = ((group * SIZE + top + row) * SPREAD + shift).to(tl.int64) * cells
            tl.store(spread_costs + place + cell, spread_cost, mask=inside)


@triton.jit
def _window_counts(corner, pitch, value, SIZE: tl.constexpr, ROWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """For ROWS x T windows, how many cells are smaller than the value, plus 2^16 times how many are equal to it.

    The corner is the upper left cell of the first window; each next window begins one row or column further. Rows that
    all windows share are counted once.
    """
    shared = (tl.zeros(value.shape, tl.int32),) * SIZE
    for row in range(ROWS - 1, SIZE):
        shared = _add_counts(shared, _row_counts(corner + row * pitch, value, SIZE), 0, 1, 1, SIZE)
    counts = shared * ROWS
    for row in tl.static_range(ROWS - 1):
        above = _row_counts(corner + row * pitch, value, SIZE)
        counts = _add_counts(counts, above, 0, row + 1, ROWS, SIZE)
        below = _row_counts(corner + (SIZE + row) * pitch, value, SIZE)
        counts = _add_counts(counts, below, row + 1, ROWS, ROWS, SIZE)
    return counts


@triton.jit
def _row_counts(row, value, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    """The counts, as in `_window_counts`, in T runs of T cells that begin at the row's first cell, its second, ..."""
    compared: tl.tuple = ()
    counts: tl.tuple = ()
    count = tl.zeros(value.shape, tl.int32)
    for column in tl.static_range(2 * SIZE - 1):
        neighbour = tl.load(row + column)
        compared = compared + (tl.where(neighbour < value, 1, tl.where(neighbour == value, 65536, 0)),)
        count += compared[column]
        if column >= SIZE:
            count -= compared[column - SIZE]
        if column >= SIZE - 1:
            counts = counts + (count,)
    return counts


@triton.jit
def _add_counts(counts, row_counts, first, last, ROWS: tl.constexpr, SIZE: tl.constexpr):  # type: ignore[no-untyped-def]
    """The counts of ROWS x T windows, with a row's counts added to window rows first .. last - 1."""
    added: tl.tuple = ()
    for row in tl.static_range(ROWS):
        for column in tl.static_range(SIZE):
            count = counts[row * SIZE + column]
            if row >= first and row < last:
                count += row_counts[column]
            added = added + (count,)
    return added


@triton.jit
def _count_below(value, ordered, size, greatest_step):  # type: ignore[no-untyped-def]
    """How many of the ordered numbers are smaller than the value; greatest_step is `_greatest_power_of_two(size)`."""
    below = tl.zeros(value.shape, tl.int32)
    step = greatest_step
    while step > 0:
        reached = below + step
        smaller = tl.load(ordered + reached - 1, mask=reached <= size, other=float("inf")) < value
        below = tl.where(smaller, reached, below)
        step = step // 2
    return below


@triton.jit
def _add_costs(total, counts, value, split, reference, sums, origin, WINDOWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """The total cost in each window, plus the mean of |value - reference[rank]| over the ranks of the value.

    References of ranks below the split are smaller than the value, the others are not. The sums are those of the
    references minus the origin.
    """
    centred = value - origin
    split_sum = tl.load(sums + split)
    added: tl.tuple = ()
    for window in tl.static_range(WINDOWS):
        start, equal = counts[window] & 65535, counts[window] >> 16
        stop = start + equal
        start_sum, stop_sum = tl.load(sums + start), tl.load(sums + stop)
        middle = tl.minimum(tl.maximum(split, start), stop)
        middle_sum = tl.where(split <= start, start_sum, tl.where(split >= stop, stop_sum, split_sum))
        signed = (2 * middle - start - stop).to(tl.float32)
        several = (signed * centred + ((start_sum - middle_sum) + (stop_sum - middle_sum))) / equal.to(tl.float32)
        # A single difference has less rounding error than two sums.
        one = tl.abs(value - tl.load(reference + start))
        added = added + (total[window] + tl.where(equal == 1, one, several),)
    return added


@triton.jit
def _add_table_costs(total, counts, table, cells, WINDOWS: tl.constexpr):  # type: ignore[no-untyped-def]
    """The total cost in each window, plus the mean cost over the ranks of the value, from the table's running sums."""
    added: tl.tuple = ()
    for window in tl.static_range(WINDOWS):
        start, equal = counts[window] & 65535, counts[window] >> 16
        several = tl.load(table + (start + equal) * cells) - tl.load(table + start * cells)
        added = added + (total[window] + several / equal.to(tl.float32),)
    return added


@triton.jit(do_not_specialize=["cells", "ranks", "count", "greatest_step"])
def _cost_table_kernel(  # type: ignore[no-untyped-def]
    values, references, sums, origins, table, cells, ranks, count, greatest_step, CELLS: tl.constexpr
):
    """Fill the table (C, T * T + 1, H * W) for one channel and CELLS cells by searching the references of each rank."""
    cell = tl.program_id(0) * CELLS + tl.arange(0, CELLS)
    inside = cell < cells
    channel = tl.program_id(1).to(tl.int64)
    value = tl.load(values + channel * cells + cell, mask=inside, other=0.0)
    centred = value - tl.load(origins + channel)
    ordered, ordered_sums = references + channel * ranks * count, sums + channel * ranks * (count + 1)
    place = table + channel * (ranks + 1) * cells + cell
    total = tl.zeros((CELLS,), tl.float32)
    tl.store(place, total, mask=inside)
    for _ in range(ranks):
        below = _count_below(value, ordered, count, greatest_step)
        below_sum, whole_sum = tl.load(ordered_sums + below), tl.load(ordered_sums + count)
        total += ((2 * below - count).to(tl.float32) * centred + (whole_sum - 2 * below_sum)) / count
        ordered += count
        ordered_sums += count + 1
        place += cells
        tl.store(place, total, mask=inside)
