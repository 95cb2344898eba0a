"""The outline of a region along the edges of its pixels, and its run lengths."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# Bits of the four pixels around a corner.
_TOP_LEFT, _TOP_RIGHT, _BOTTOM_LEFT, _BOTTOM_RIGHT = 1, 2, 4, 8
_DIAGONALS = (_TOP_LEFT | _BOTTOM_RIGHT, _TOP_RIGHT | _BOTTOM_LEFT)
_HOLE = _TOP_LEFT | _TOP_RIGHT | _BOTTOM_LEFT


class Outline(NamedTuple):
    """One closed line: its corners (n, 2) as x, y, without repeating the first, and whether it encloses a hole."""

    corners: NDArray[np.int64]
    is_hole: bool


def trace_outlines(mask: NDArray[np.bool_]) -> list[Outline]:
    """The lines that separate a mask from its surroundings, exactly along the edges of pixels.

    Coordinates start at the outer corner of the first pixel, so that pixel (row, column) spans x from column to
    column + 1. Parts that touch only at a corner have lines of their own; holes that touch at a corner share one. No
    line crosses itself, though it may touch itself at a corner. Sides are alternately horizontal and vertical: pairs of
    successive corners in a row are the ends of its horizontal sides, and likewise in a column.

    Args:
        mask: (H, W) bool.

    Returns:
        The lines, sorted by their first corner from top to bottom and left to right. An empty mask has none.
    """
    padded = np.pad(mask.astype(np.uint8), 1)
    around = (
        padded[:-1, :-1] * _TOP_LEFT
        + padded[:-1, 1:] * _TOP_RIGHT
        + padded[1:, :-1] * _BOTTOM_LEFT
        + padded[1:, 1:] * _BOTTOM_RIGHT
    )
    falling, rising = (around == pair for pair in _DIAGONALS)
    odd = np.isin(around, (1, 2, 4, 8, 7, 11, 13, 14))
    # Two lines pass through a corner between diagonal pixels: first the one on its left, then the one on its right.
    rows, columns = np.nonzero(odd | falling | rising)
    twice = (falling | rising)[rows, columns]
    rows, columns = np.repeat(rows, 1 + twice), np.repeat(columns, 1 + twice)
    if not len(rows):
        return []
    second = np.zeros(len(rows), bool)
    second[1:] = (rows[1:] == rows[:-1]) & (columns[1:] == columns[:-1])
    # The left side of a falling pair (top left, bottom right) continues upwards, that of a rising pair downwards.
    below = second ^ rising[rows, columns]
    across = _partners(np.arange(len(rows)))
    along = _partners(np.lexsort((below, rows, columns)))
    outlines, seen = [], np.zeros(len(rows), bool)
    for first in range(len(rows)):
        if seen[first]:
            continue
        line, corner = [], first
        while not seen[corner]:
            other = across[corner]
            seen[corner] = seen[other] = True
            line += [corner, other]
            corner = along[other]
        corners = np.stack([columns[line], rows[line]], axis=1)
        outlines.append(Outline(corners, bool(around[rows[first], columns[first]] == _HOLE)))
    return outlines


def run_lengths(mask: NDArray[np.bool_], x: int, y: int, height: int, width: int) -> list[int]:
    """Run lengths of a mask column by column, as in COCO: pixels outside, pixels inside, and so on.

    Args:
        mask: (h, w) bool, a part of an image with at least one pixel set.
        x, y: where its top left pixel lies in the image.
        height, width: of the image.
    """
    columns, rows = np.nonzero(mask.T)
    pixels = (x + columns) * height + y + rows
    last = np.flatnonzero(np.diff(pixels) > 1)
    starts, ends = pixels[np.append(0, last + 1)], pixels[np.append(last, -1)] + 1
    edges = np.concatenate([[0], np.stack([starts, ends], axis=1).ravel(), [height * width]])
    counts: list[int] = np.diff(edges).tolist()
    return counts if counts[-1] else counts[:-1]


def _partners(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each index its partner, where ``order`` lists the indices pair by pair."""
    pairs = order.reshape(-1, 2)
    partner = np.empty(len(order), np.int64)
    partner[pairs[:, 0]], partner[pairs[:, 1]] = pairs[:, 1], pairs[:, 0]
    return partner
