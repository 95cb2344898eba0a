"""Absolute differences of many values from entries of a small table."""

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic

# AVX-512 looks up 16 floats at once in a pair of registers, that is, among 32; six pairs hold the table for T = 9.
AVX512 = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
LANES = 16
PADDED_TABLE = 2 * LANES * 6


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
    patch_size, _, columns = counts.shape
    index = np.empty(columns, counts.dtype)
    entries = np.empty(columns, np.float32)
    in_registers = columns // LANES * LANES if AVX512 and len(table) == PADDED_TABLE else 0
    for i in range(patch_size):
        for j in range(patch_size):
            count = counts[i, j]
            cost = costs[i, j]
            if in_registers > 0:
                _add_from_registers(
                    count.ctypes.data,
                    offsets.ctypes.data,
                    targets.ctypes.data,
                    table.ctypes.data,
                    cost.ctypes.data,
                    in_registers,
                )
            # Three loops, since the compiler vectorises the first and the last only without the look-up.
            for x in range(in_registers, columns):
                index[x] = count[x] + offsets[x]
            for x in range(in_registers, columns):
                entries[x] = table[index[x]]
            for x in range(in_registers, columns):
                cost[x] += abs(targets[x] - entries[x])


@intrinsic  # type: ignore[untyped-decorator]
def _add_from_registers(typing, counts, offsets, targets, table, costs, size):  # type: ignore[no-untyped-def] # noqa: PLR0917
    """Add abs(target - table[count + offset]) to ``size`` costs, a multiple of LANES; does nothing without AVX-512.

    All but size are addresses: of counts and offsets in uint8, of targets, table (PADDED_TABLE) and costs in float32.
    """

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        if not AVX512:
            return context.get_dummy_value()
        *addresses, size = arguments
        floats, integers = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.IntType(32), LANES)
        permutation, absolute = ir.FunctionType(floats, [floats, integers, floats]), ir.FunctionType(floats, [floats])
        permute = cgutils.get_or_insert_function(builder.module, permutation, "llvm.x86.avx512.vpermi2var.ps.512")
        fabs = cgutils.get_or_insert_function(builder.module, absolute, f"llvm.fabs.v{LANES}f32")

        def lanes(address: Any, element: Any, position: Any) -> Any:
            first = builder.gep(builder.inttoptr(address, element.as_pointer()), [position])
            return builder.bitcast(first, ir.VectorType(element, LANES).as_pointer())

        def load(address: Any, element: Any, position: Any) -> Any:
            return builder.load(lanes(address, element, position), align=1)

        registers = [load(addresses[3], ir.FloatType(), size.type(start)) for start in range(0, PADDED_TABLE, LANES)]
        with cgutils.for_range_slice(builder, size.type(0), size, size.type(LANES)) as (x, _):
            count, offset = (load(address, ir.IntType(8), x) for address in addresses[:2])
            index = builder.zext(builder.add(count, offset), integers)
            # The five low bits of an index select within a pair of registers, the higher bits select the pair.
            entries = [
                builder.call(permute, [low, index, high])
                for low, high in zip(registers[::2], registers[1::2], strict=True)
            ]
            bit = 2 * LANES
            while len(entries) > 1:
                is_set = builder.icmp_unsigned(
                    "!=", builder.and_(index, ir.Constant(integers, [bit] * LANES)), ir.Constant(integers, [0] * LANES)
                )
                pairs = [entries[start : start + 2] for start in range(0, len(entries), 2)]
                entries = [builder.select(is_set, pair[1], pair[0]) if len(pair) == 2 else pair[0] for pair in pairs]
                bit *= 2
            cost = builder.call(fabs, [builder.fsub(load(addresses[2], ir.FloatType(), x), entries[0])])
            total = builder.fadd(load(addresses[4], ir.FloatType(), x), cost)
            builder.store(total, lanes(addresses[4], ir.FloatType(), x), align=1)
        return context.get_dummy_value()

    return types.void(*[types.uintp] * 5, types.intp), generate
