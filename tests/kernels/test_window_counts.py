"""Counts by running sums against counts of one window at a time."""

from typing import Any

import numpy as np
import pytest

from firstsight.kernels.window_counts import LANES, count_below


@pytest.mark.parametrize("width", [LANES, LANES + 1, 3 * LANES - 5])
@pytest.mark.parametrize(
    ("patch_size", "kinds"),
    [
        (1, (np.uint16, np.uint8, np.uint8)),
        (9, (np.uint16, np.uint8, np.uint8)),
        (25, (np.uint16, np.uint8, np.uint16)),
        # From 128 on, a difference of two runs no longer fits into a signed byte.
        (129, (np.uint16, np.uint16, np.uint16)),
        (3, (np.uint32, np.uint16, np.uint32)),
    ],
)
def test_counts_equal_those_of_each_window(width: int, patch_size: int, kinds: tuple[type[Any], ...]) -> None:
    span = 2 * patch_size - 1
    generator = np.random.default_rng(width)
    neighbours = generator.integers(0, 60000, (span, width + span - 1)).astype(kinds[0])
    limits = generator.integers(0, 65535, width).astype(kinds[0])
    limits[:2] = 0, 65535
    counts = np.zeros((patch_size, patch_size, width), kinds[2])
    compared, runs = np.zeros((span, LANES), kinds[1]), np.zeros((span, patch_size, LANES), kinds[1])
    count_below(neighbours, limits, compared, runs, counts)
    for x in (0, 1, 17, LANES - 1, width - 1):
        below = (neighbours[:, x : x + span] < limits[x]).astype(int)
        sums = np.pad(below, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        expected = sums[patch_size:, patch_size:] - sums[patch_size:, :patch_size] - sums[:patch_size, patch_size:]
        np.testing.assert_array_equal(counts[:, :, x], expected + sums[:patch_size, :patch_size])
