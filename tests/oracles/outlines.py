"""Which pixels lie within lines, and run lengths, pixel by pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def fill(lines: Sequence[NDArray[np.int64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A pixel is inside where a ray from its centre to the left crosses the lines an odd number of times."""
    inside = np.zeros(shape, bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            crossings = 0
            for corners in lines:
                for (x, y), (next_x, next_y) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
                    if x == next_x and x <= column and min(y, next_y) <= row < max(y, next_y):
                        crossings += 1
            inside[row, column] = crossings % 2 == 1
    return inside


def count_runs(mask: NDArray[np.bool_]) -> list[int]:
    """COCO's run lengths: column by column, beginning with pixels that are not set."""
    counts, now = [0], False
    for value in mask.T.ravel().tolist():
        if value != now:
            counts.append(0)
            now = value
        counts[-1] += 1
    return counts
