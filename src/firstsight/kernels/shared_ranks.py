"""The mean cost of the ranks that equal cells of a window occupy together, instead of the cost of the first rank.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
this file, touch `matching_costs`.
"""

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

# Cells whose numbers of ranks are compared at once.
LANES = 32
# Up to so many ranks, their costs are added one by one, with less work than from sums.
FEW_RANKS = 4


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
                # The last cells may come up twice.
                sharing = _sharing(starts[x:], stops[x:]) >> np.uint32(place - x) << np.uint32(place - x)
                while sharing != 0:
                    k = x + _lowest(sharing)
                    sharing &= sharing - np.uint32(1)
                    start, stop = np.int64(starts[k]), np.int64(stops[k])
                    if stop - start == 2:
                        second = abs(values[k] - reference[start + 1])
                        cost[k] += np.float32(0.5) * (second - abs(values[k] - reference[start]))
                        continue
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
def _sharing(typing, first, last):  # type: ignore[no-untyped-def]
    """A number whose bits say which of the first LANES cells have more than one rank."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        lanes = ir.VectorType(ir.IntType(signature.args[0].dtype.bitwidth), LANES)
        starts, stops = (
            builder.load(
                builder.bitcast(context.make_array(kind)(context, builder, array).data, lanes.as_pointer()), align=1
            )
            for kind, array in zip(signature.args, arguments, strict=True)
        )
        ranks = builder.sub(stops, starts)
        return builder.bitcast(builder.icmp_unsigned(">", ranks, ir.Constant(lanes, [1] * LANES)), ir.IntType(LANES))

    return types.uint32(first, last), generate


@intrinsic  # type: ignore[untyped-decorator]
def _lowest(typing, bits):  # type: ignore[no-untyped-def]
    """The place of the lowest bit that is set in a number other than 0."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        place = builder.cttz(arguments[0], cgutils.true_bit)
        return builder.zext(place, ir.IntType(64))

    return types.int64(types.uint32), generate
