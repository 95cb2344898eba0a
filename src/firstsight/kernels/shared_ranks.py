"""The mean cost of the ranks that equal cells of a window occupy together, instead of the cost of the first rank.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
this file, touch `matching_costs`.
"""

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from firstsight.kernels.lanes import Lanes

# Cells whose numbers of ranks are compared at once.
LANES = 32
# Up to so many ranks, their costs are added one by one, with less work than from sums.
FEW_RANKS = 4
ALL = np.uint32(2**LANES - 1)


@njit(cache=True, nogil=True)
def share_ranks(first, last, values, reference, sums, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Where a cell shares its ranks, replace the cost of its first rank by the mean over first .. last - 1.

    Args:
        first: (T, T, width): how many cells of each window are smaller than the cell; width at least LANES.
        last: (T, T, width), of the same type: how many cells are not greater.
        values: (width,) float32.
        reference: (T * T,) float32, ascending.
        sums: (T * T + 1,): the sums of its first 0 .. T * T values.
        costs: (T, T, width) float32, added to.
    """
    windows_high, windows_wide, width = first.shape
    splits = np.full(width, -1)
    for i in range(windows_high):
        for j in range(windows_wide):
            starts, stops, cost = first[i, j], last[i, j], costs[i, j]
            for place in range(0, width, LANES):
                x = min(place, width - LANES)
                two, more = _sharing(starts, stops, x)
                # The last cells may come up twice.
                fresh = ALL << np.uint32(place - x)
                two &= fresh
                more &= fresh
                # Unsigned, since numba would ask of a signed index whether it counts from the end.
                while two != 0:
                    k = np.uint64(x) + _lowest(two)
                    two &= two - np.uint32(1)
                    rank = np.uint64(starts[k])
                    second = abs(values[k] - reference[rank + np.uint64(1)])
                    cost[k] += np.float32(0.5) * (second - abs(values[k] - reference[rank]))
                while more != 0:
                    k = np.uint64(x) + _lowest(more)
                    more &= more - np.uint32(1)
                    start, stop = np.int64(starts[k]), np.int64(stops[k])
                    if splits[k] < 0 and stop - start > FEW_RANKS:
                        splits[k] = np.searchsorted(reference, values[k])
                    mean = _mean_cost(values[k], splits[k], start, stop, reference, sums)
                    cost[k] += mean - abs(values[k] - reference[start])


@njit(cache=True, nogil=True)
def _mean_cost(value, split, start, stop, reference, sums):  # type: ignore[no-untyped-def] # noqa: PLR0917
    if stop - start <= FEW_RANKS:
        total = np.float64(0)
        for rank in range(start, stop):
            total += abs(value - reference[rank])
    else:
        # References of ranks below the middle are smaller than the value, the others are not.
        middle = min(max(split, start), stop)
        under = (middle - start) * value - (sums[middle] - sums[start])
        total = under + sums[stop] - sums[middle] - (stop - middle) * value
    return total / (stop - start)


@intrinsic  # type: ignore[untyped-decorator]
def _sharing(typing, first, last, place):  # type: ignore[no-untyped-def]
    """Two numbers whose bits say which of LANES cells from a place on have two ranks, and which have more."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        starts, stops = (
            Lanes(context, builder, kind, array, LANES)
            for kind, array in zip(signature.args[:2], arguments[:2], strict=True)
        )
        ranks = builder.sub(stops.load(arguments[2]), starts.load(arguments[2]))
        two = ir.Constant(starts.vector, [2] * LANES)
        bits = [
            builder.bitcast(builder.icmp_unsigned(comparison, ranks, two), ir.IntType(LANES))
            for comparison in ("==", ">")
        ]
        return context.make_tuple(builder, signature.return_type, bits)

    return types.UniTuple(types.uint32, 2)(first, last, place), generate


@intrinsic  # type: ignore[untyped-decorator]
def _lowest(typing, bits):  # type: ignore[no-untyped-def]
    """The place of the lowest bit that is set in a number other than 0."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.zext(builder.cttz(arguments[0], cgutils.true_bit), ir.IntType(64))

    return types.uint64(types.uint32), generate
