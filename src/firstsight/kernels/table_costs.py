"""Absolute differences of many values from entries of a small table.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
this file, touch `matching_costs`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from firstsight.kernels.lanes import Lanes

# AVX-512 looks up 16 floats at once in a pair of registers, that is, among 32; six pairs hold the table for T = 9.
AVX512 = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
LANES = 16
PADDED_TABLE = 2 * LANES * 6

FLOATS, INTEGERS = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)


@njit(cache=True, nogil=True)
def add_table_costs(counts, offsets, targets, table, costs):  # type: ignore[no-untyped-def]
    """Add abs(target - table[count + offset]) to the costs.

    Args:
        counts: (T, T, columns), of an unsigned integer type.
        offsets: (columns,), of the same type.
        targets: (columns,) float32.
        table: float32; if it fits into PADDED_TABLE entries, it should be padded to that length.
        costs: (T, T, columns) float32, added to.
    """
    windows_high, windows_wide, columns = counts.shape
    whole = columns // LANES * LANES
    for i in range(windows_high):
        for j in range(windows_wide):
            count, cost = counts[i, j], costs[i, j]
            if len(table) == PADDED_TABLE:
                _add_from_registers(count[:whole], offsets, targets, table, cost)
            else:
                _add_from_memory(count[:whole], offsets, targets, table, cost)
            for x in range(whole, columns):
                cost[x] += abs(targets[x] - table[np.int64(count[x]) + np.int64(offsets[x])])


@intrinsic  # type: ignore[untyped-decorator]
def _add_from_registers(typing, counts, offsets, targets, table, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the costs of all counts, a multiple of LANES; the table, of PADDED_TABLE entries, is held in registers.

    Without AVX-512, it is read from memory.
    """
    look_up = _registers if AVX512 else _memory
    return types.void(counts, offsets, targets, table, costs), partial(_add_costs, look_up)


@intrinsic  # type: ignore[untyped-decorator]
def _add_from_memory(typing, counts, offsets, targets, table, costs):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add the costs of all counts, a multiple of LANES; the table is read from memory."""
    return types.void(counts, offsets, targets, table, costs), partial(_add_costs, _memory)


def _add_costs(look_up: Callable[[Any, Any], Any], context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """The instructions of a loop that adds LANES costs at a time."""
    counts, offsets, targets, table, costs = (
        Lanes(context, builder, kind, array, LANES) for kind, array in zip(signature.args, arguments, strict=True)
    )
    fabs = cgutils.get_or_insert_function(builder.module, ir.FunctionType(FLOATS, [FLOATS]), f"llvm.fabs.v{LANES}f32")

    entries = look_up(builder, table)
    (size,) = counts.shape
    with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES)) as (x, _):
        index = builder.zext(builder.add(counts.load(x), offsets.load(x)), INTEGERS)
        cost = builder.call(fabs, [builder.fsub(targets.load(x), entries(index))])
        costs.store(builder.fadd(costs.load(x), cost), x)
    return context.get_dummy_value()


def _memory(builder: Any, table: Lanes) -> Callable[[Any], Any]:
    """Writes the look-up of LANES entries, one by one.

    The instructions that gather them are slower: 0.54 against 0.44 ns an entry on an AMD EPYC with AVX2.
    """

    def entries(index: Any) -> Any:
        gathered = ir.Constant(FLOATS, ir.Undefined)
        for lane in map(ir.IntType(32), range(LANES)):
            place = builder.zext(builder.extract_element(index, lane), ir.IntType(64))
            gathered = builder.insert_element(gathered, builder.load(builder.gep(table.data, [place])), lane)
        return gathered

    return entries


def _registers(builder: Any, table: Lanes) -> Callable[[Any], Any]:
    """Loads the table into registers and writes the look-up of LANES entries there."""
    permutation = ir.FunctionType(FLOATS, [FLOATS, INTEGERS, FLOATS])
    permute = cgutils.get_or_insert_function(builder.module, permutation, "llvm.x86.avx512.vpermi2var.ps.512")
    registers = [table.load(ir.IntType(64)(start)) for start in range(0, PADDED_TABLE, LANES)]

    def entries(index: Any) -> Any:
        # The five low bits of an index select within a pair of registers, the higher bits select the pair.
        selected = [
            builder.call(permute, [low, index, high]) for low, high in zip(registers[::2], registers[1::2], strict=True)
        ]
        bit = 2 * LANES
        while len(selected) > 1:
            is_set = builder.icmp_unsigned(
                "!=",
                builder.and_(index, ir.Constant(INTEGERS, [bit] * LANES)),
                ir.Constant(INTEGERS, [0] * LANES),
            )
            pairs = [selected[start : start + 2] for start in range(0, len(selected), 2)]
            selected = [builder.select(is_set, pair[1], pair[0]) if len(pair) == 2 else pair[0] for pair in pairs]
            bit *= 2
        return selected[0]

    return entries
