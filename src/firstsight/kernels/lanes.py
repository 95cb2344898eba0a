"""Instructions that load and store several consecutive numbers of an array at once.

Numba caches compiled code on disk and does not notice when a function in another file has changed: after a change to
this file, touch `matching_costs`.
"""

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils


class Lanes:
    """Writes the instructions that load and store consecutive numbers of an array of an intrinsic.

    Args:
        context, builder: of the intrinsic.
        kind: numba's type of the array.
        array: the argument that is the array.
        count: how many numbers are loaded or stored at once.
    """

    def __init__(self, context: Any, builder: Any, kind: Any, array: Any, count: int) -> None:
        native = context.make_array(kind)(context, builder, array)
        self.data = native.data
        self.shape = cgutils.unpack_tuple(builder, native.shape)
        self.element = context.get_data_type(kind.dtype)
        self.vector = ir.VectorType(self.element, count)
        self._builder = builder

    def load(self, position: Any) -> Any:
        """The numbers from a position on."""
        return self._builder.load(self._address(position), align=1)

    def store(self, value: Any, position: Any) -> None:
        """Store numbers from a position on."""
        self._builder.store(value, self._address(position), align=1)

    def _address(self, position: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self.data, [position]), self.vector.as_pointer())
