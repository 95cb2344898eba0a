"""Slow, obvious laying of a map on its image."""

import numpy as np
from numpy.typing import NDArray

from firstsight.storage.geometry import Geometry


def map_to_pixels(anomaly_map: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float64]:
    """Every pixel in turn: find its place between the four cells round it."""
    height, width = anomaly_map.shape
    result = np.zeros((geometry.height, geometry.width))
    for y in range(geometry.height):
        for x in range(geometry.width):
            row = ((y + 0.5) * geometry.input_height / geometry.height - 0.5 - geometry.offset) / geometry.stride
            column = ((x + 0.5) * geometry.input_width / geometry.width - 0.5 - geometry.offset) / geometry.stride
            row, column = min(max(row, 0), height - 1), min(max(column, 0), width - 1)
            top, left = int(row), int(column)
            bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
            down, across = row - top, column - left
            result[y, x] = (
                anomaly_map[top, left] * (1 - down) * (1 - across)
                + anomaly_map[top, right] * (1 - down) * across
                + anomaly_map[bottom, left] * down * (1 - across)
                + anomaly_map[bottom, right] * down * across
            )
    return result
