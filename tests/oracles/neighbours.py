"""Distances to the nearest cells of other images, one cell at a time."""

import numpy as np
from numpy.typing import NDArray


def neighbour_distance(
    features: NDArray[np.floating], others: list[NDArray[np.floating]], local: NDArray[np.floating], share: float
) -> NDArray[np.float64]:
    """(C, h, w), a list of I (K, C), and the local distances (I, K) to (h, w)."""
    height, width = features.shape[1:]
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            nearest = nearest_cells(features[:, row, column], others, share)
            result[row, column] = np.mean([distance / local[image, cell] for distance, image, cell in nearest])
    return result


def local_distances(cells: list[NDArray[np.floating]], share: float, least: float) -> NDArray[np.float64]:
    """Of each cell of I (K, C), to the cells of the others: (I, K), none below a share of their lower median."""
    result = np.array(
        [
            [np.mean([found[0] for found in nearest_cells(cell, [*cells[:i], *cells[i + 1 :]], share)]) for cell in own]
            for i, own in enumerate(cells)
        ]
    )
    ordered = sorted(result.ravel())
    return np.maximum(result, least * ordered[(len(ordered) - 1) // 2])


def nearest_cells(
    cell: NDArray[np.floating], others: list[NDArray[np.floating]], share: float
) -> list[tuple[float, int, int]]:
    """The nearest cell of each image, as (distance, image, cell), of the images that hold the nearest of these."""
    nearest = []
    for image, cells in enumerate(others):
        distances = []
        for other in cells.astype(np.float64):
            length = float(np.linalg.norm(other) * np.linalg.norm(cell.astype(np.float64)))
            distances.append(1 - float(cell @ other) / length if length > 0 else 1.0)
        best = int(np.argmin(distances))
        nearest.append((distances[best], image, best))
    return sorted(nearest)[: max(1, int(share * len(others)))]
