"""Counts of the smaller ranks in all T x T windows that contain a cell, for a row of cells at once.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
this file, touch `matching_costs`.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from firstsight.kernels.lanes import Lanes

# Cells that are counted at once, each in a lane of SIMD registers: 32 bytes.
LANES = 32


@njit(cache=True, nogil=True)
def count_below(neighbours, limits, compared, runs, counts):  # type: ignore[no-untyped-def]
    """Count, for a row of cells and each of the T * T windows that contain them, the ranks below the cells' limits.

    Counts are summed along x first, in runs of T neighbours, then along y. Each sum is the one before it plus what
    enters minus what leaves, so the work grows with T^2 and not with T^4. The compiler does not see by itself that the
    arrays are disjoint, hence the loops over lanes are written out for it.

    Args:
        neighbours: (2T - 1, width + 2T - 2), ranks; width at least LANES.
        limits: (width,), of the same type.
        compared: (2T - 1, LANES), overwritten; of an unsigned type that holds 2T.
        runs: (2T - 1, T, LANES), overwritten; of the same type.
        counts: (T, T, width), written; of an unsigned type that holds T * T, no narrower than the runs'.
    """
    patch_size, _, width = counts.shape
    for start in range(0, width, LANES):
        # The last cells may be counted twice, so that there are always LANES of them.
        x = min(start, width - LANES)
        for i in range(2 * patch_size - 1):
            _count_in_runs(neighbours[i, x:], limits[x:], compared, runs[i])
        _count_in_windows(runs, counts, x)


@intrinsic  # type: ignore[untyped-decorator]
def _count_in_runs(typing, neighbours, limits, compared, runs):  # type: ignore[no-untyped-def]
    """In a row of neighbours, count those below the limits of LANES cells in the T runs of T that contain the cell.

    The arrays are those of `count_below`, from the first of the cells on; runs is (T, LANES).
    """

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        ranks, limit, kept, run = (
            Lanes(context, builder, kind, array, LANES) for kind, array in zip(signature.args, arguments, strict=True)
        )
        size = run.shape[0]
        index, lanes = size.type, size.type(LANES)
        limit_ranks = limit.load(index(0))
        total = cgutils.alloca_once_value(builder, ir.Constant(run.vector, None))

        def compare(column: Any) -> Any:
            is_below = builder.zext(builder.icmp_unsigned("<", ranks.load(column), limit_ranks), run.vector)
            kept.store(is_below, builder.mul(column, lanes))
            return is_below

        with cgutils.for_range_slice(builder, index(0), size, index(1)) as (column, _):
            builder.store(builder.add(builder.load(total), compare(column)), total)
        run.store(builder.load(total), index(0))
        with cgutils.for_range_slice(builder, index(1), size, index(1)) as (column, _):
            enters = compare(builder.sub(builder.add(column, size), index(1)))
            leaves = kept.load(builder.mul(builder.sub(column, index(1)), lanes))
            builder.store(builder.add(builder.load(total), builder.sub(enters, leaves)), total)
            run.store(builder.load(total), builder.mul(column, lanes))
        return context.get_dummy_value()

    return types.void(neighbours, limits, compared, runs), generate


@intrinsic  # type: ignore[untyped-decorator]
def _count_in_windows(typing, runs, counts, place):  # type: ignore[no-untyped-def]
    """Add up the runs (2T - 1, T, LANES) of a cell's rows to counts (T, T, width), those of LANES cells from place."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        run, count = (
            Lanes(context, builder, kind, array, LANES)
            for kind, array in zip(signature.args[:2], arguments[:2], strict=True)
        )
        size, _, width = count.shape
        index = size.type
        zero, one = index(0), index(1)
        total = cgutils.alloca_once(builder, count.vector)

        def widened(value: Any) -> Any:
            # A difference of two runs may be negative.
            return builder.sext(value, count.vector) if count.element.width > run.element.width else value

        def load_run(row: Any, column: Any) -> Any:
            return run.load(builder.mul(builder.add(builder.mul(row, size), column), index(LANES)))

        def count_place(row: Any, column: Any) -> Any:
            start = builder.mul(builder.add(builder.mul(row, size), column), width)
            return builder.add(start, arguments[2])

        with cgutils.for_range_slice(builder, zero, size, one) as (column, _):
            builder.store(ir.Constant(count.vector, None), total)
            with cgutils.for_range_slice(builder, zero, size, one) as (row, _):
                builder.store(builder.add(builder.load(total), widened(load_run(row, column))), total)
            count.store(builder.load(total), count_place(zero, column))
        with cgutils.for_range_slice(builder, one, size, one) as (row, _):
            above = builder.sub(row, one)
            with cgutils.for_range_slice(builder, zero, size, one) as (column, _):
                change = builder.sub(load_run(builder.add(above, size), column), load_run(above, column))
                before = count.load(count_place(above, column))
                count.store(builder.add(before, widened(change)), count_place(row, column))
        return context.get_dummy_value()

    return types.void(runs, counts, place), generate
