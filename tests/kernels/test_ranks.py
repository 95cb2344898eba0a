"""Dense ranks against a plain sort."""

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.kernels.ranks import rank_cells

VALUES = {
    "signed": np.random.default_rng(0).normal(size=500),
    "half zeros": np.maximum(np.random.default_rng(1).normal(size=500), 0),
    "few levels": np.random.default_rng(2).integers(-2, 3, 500),
    "constant": np.full(7, -3),
    "two signs of zero": np.array([0.0, -0.0, 1.0, -1.0, -0.0, 0.0]),
    "very large and very small": np.array([3e38, -3e38, 1e-45, -1e-45, 0.0, 1e-45]),
}


@pytest.mark.parametrize("name", VALUES)
def test_ranks_equal_those_of_a_sort(name: str) -> None:
    values: NDArray[np.float32] = VALUES[name].astype(np.float32)
    size = len(values)
    ranks, tied = np.empty(size, np.uint16), np.empty(size, np.bool_)
    rank_cells(values, values.min(), np.empty((2, size), np.uint32), np.empty((2, size), np.int32), ranks, tied)
    levels, expected, times = np.unique(values, return_inverse=True, return_counts=True)
    assert len(levels) == ranks.max() + 1
    np.testing.assert_array_equal(ranks, expected)
    np.testing.assert_array_equal(tied, (times[expected] > 1) & (expected > 0))
