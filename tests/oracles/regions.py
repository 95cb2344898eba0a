"""Connected regions by flood fill, one pixel at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SlowRegion(NamedTuple):
    """The pixels (row, column) of one region, in the order in which they were reached."""

    pixels: list[tuple[int, int]]


def slow_regions(anomaly_map: NDArray, threshold: float, minimum_area: float) -> list[SlowRegion]:
    """8-connected regions of pixels above the threshold in raster order of their first pixel."""
    height, width = anomaly_map.shape
    seen = np.zeros((height, width), dtype=bool)
    found = []
    for row in range(height):
        for column in range(width):
            if seen[row, column] or not anomaly_map[row, column] > threshold:
                continue
            pixels, stack = [], [(row, column)]
            seen[row, column] = True
            while stack:
                y, x = stack.pop()
                pixels.append((y, x))
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        near_y, near_x = y + dy, x + dx
                        inside = 0 <= near_y < height and 0 <= near_x < width
                        if inside and not seen[near_y, near_x] and anomaly_map[near_y, near_x] > threshold:
                            seen[near_y, near_x] = True
                            stack.append((near_y, near_x))
            if len(pixels) >= minimum_area:
                found.append(SlowRegion(pixels))
    return found
