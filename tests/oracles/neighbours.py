"""Distances to the nearest cells of other images, one cell at a time."""

import numpy as np
from numpy.typing import NDArray


def neighbour_distance(
    features: NDArray[np.floating], others: list[NDArray[np.floating]], share: float
) -> NDArray[np.float64]:
    """(C, h, w) and a list of (K, C) to (h, w)."""
    height, width = features.shape[1:]
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            cell = features[:, row, column].astype(np.float64)
            nearest = []
            for cells in others:
                lengths = np.linalg.norm(cells, axis=1) * np.linalg.norm(cell)
                cosines = [
                    float(cell @ other) / length if length > 0 else 0.0
                    for other, length in zip(cells, lengths, strict=True)
                ]
                nearest.append(1 - max(cosines))
            count = max(1, int(share * len(others)))
            result[row, column] = np.mean(sorted(nearest)[:count])
    return result
