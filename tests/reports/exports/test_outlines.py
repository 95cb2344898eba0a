"""Outlines and run lengths against counting pixel by pixel."""

import numpy as np
import pytest
from scipy import ndimage

from firstsight.reports.exports.outlines import run_lengths, trace_outlines
from oracles.outlines import count_runs, fill

RANDOM = np.random.default_rng(1)
MASKS = {
    "pixel": np.ones((1, 1), bool),
    "row": np.ones((1, 5), bool),
    "falling": np.eye(3, dtype=bool),
    "rising": np.eye(3, dtype=bool)[::-1],
    "board": np.indices((4, 5)).sum(axis=0) % 2 == 0,
    "ring": np.pad(np.zeros((1, 2), bool), 1, constant_values=True),
    "diamond": np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], bool),
    "holes that touch": ~np.pad(np.eye(2, dtype=bool), 1),
    **{f"noise {index}": RANDOM.random((9, 11)) > RANDOM.random() for index in range(8)},
}


@pytest.mark.parametrize("name", MASKS)
def test_lines_hold_exactly_the_pixels(name: str) -> None:
    mask = MASKS[name]
    np.testing.assert_array_equal(fill([line.corners for line in trace_outlines(mask)], mask.shape), mask)


@pytest.mark.parametrize("name", MASKS)
def test_one_line_for_each_part_and_one_for_each_hole(name: str) -> None:
    mask = MASKS[name]
    lines = trace_outlines(mask)
    parts = ndimage.label(mask)[1]
    # Outside of the padded frame is one background, which is no hole.
    background = ndimage.label(np.pad(~mask, 1, constant_values=True), np.ones((3, 3)))[1] - 1
    assert sum(not line.is_hole for line in lines) == parts
    assert sum(line.is_hole for line in lines) == background


@pytest.mark.parametrize("name", MASKS)
def test_every_corner_turns(name: str) -> None:
    for line in trace_outlines(MASKS[name]):
        steps = np.roll(line.corners, -1, axis=0) - line.corners
        assert (np.count_nonzero(steps, axis=1) == 1).all()
        assert (np.argmax(steps != 0, axis=1)[:-1] != np.argmax(steps != 0, axis=1)[1:]).all()


def test_nothing_has_no_line() -> None:
    assert trace_outlines(np.zeros((3, 4), bool)) == []


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize(("x", "y", "right", "below"), [(0, 0, 0, 0), (3, 2, 4, 1), (0, 5, 1, 0)])
def test_run_lengths(name: str, x: int, y: int, right: int, below: int) -> None:
    mask = MASKS[name]
    whole = np.pad(mask, ((y, below), (x, right)))
    if mask.any():
        assert run_lengths(mask, x, y, *whole.shape) == count_runs(whole)
