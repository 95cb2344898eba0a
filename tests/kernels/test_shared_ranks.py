"""Costs of shared ranks against a mean over the ranks one by one."""

from typing import Any

import numpy as np
import pytest

from firstsight.kernels.shared_ranks import LANES, share_ranks


@pytest.mark.parametrize("width", [LANES, LANES + 3, 3 * LANES])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("most", [1, 2, 9])
def test_shared_ranks_cost_their_mean(width: int, kind: type[Any], most: int) -> None:
    generator = np.random.default_rng(most)
    reference = np.sort(generator.normal(size=81).astype(np.float32))
    values = generator.normal(size=width).astype(np.float32)
    first = generator.integers(0, 81 - most, (2, 9, width)).astype(kind)
    ranks = generator.integers(0, most + 1, (2, 9, width))
    # As for cells that have their cost already, no rank changes nothing, nor does a single one.
    last = (first + ranks).astype(kind)
    differences = np.abs(values[:, None] - reference)
    expected = differences[np.arange(width), first]
    for place in np.argwhere(ranks > 1):
        start, stop = first[*place], last[*place]
        expected[*place] = differences[place[2], start:stop].mean()
    costs = differences[np.arange(width), first].astype(np.float32)
    share_ranks(first, last, values, reference, np.insert(reference.cumsum(dtype=np.float64), 0, 0), costs)
    np.testing.assert_allclose(costs, expected, rtol=1e-5, atol=1e-6)
