"""Table costs, looked up in registers or not."""

from typing import Any

import numpy as np
import pytest

from firstsight.kernels.table_costs import PADDED_TABLE, add_table_costs


@pytest.mark.parametrize("columns", [1, 15, 16, 37, 128])
@pytest.mark.parametrize(("kind", "size"), [(np.uint8, PADDED_TABLE), (np.uint8, 242), (np.uint16, 338)])
def test_costs_equal_the_plain_formula(columns: int, kind: type[Any], size: int) -> None:
    generator = np.random.default_rng(columns)
    counts = generator.integers(0, size // 2, (3, 3, columns)).astype(kind)
    offsets = generator.integers(0, size - size // 2, columns).astype(kind)
    targets = generator.normal(size=columns).astype(np.float32)
    table = generator.normal(size=size).astype(np.float32)
    costs = generator.normal(size=(3, 3, columns)).astype(np.float32)
    expected = costs + np.abs(targets - table[counts + offsets])
    add_table_costs(counts, offsets, targets, table, costs)
    np.testing.assert_array_equal(costs, expected)
