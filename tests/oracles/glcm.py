"""Co-occurrence properties window by window, by scikit-image."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops

from oracles.image_input import starts


def skimage_matrix(window: NDArray[Any], levels: int, offset: tuple[int, int]) -> NDArray[np.float64]:
    """The symmetric, normalised matrix (levels, levels) of one window for one offset (rows, columns)."""
    # scikit-image takes polar offsets and rounds them.
    distance, angle = np.hypot(*offset), np.arctan2(offset[0], offset[1])
    matrix: NDArray[np.float64] = graycomatrix(
        window.astype(np.uint8), [distance], [angle], levels, symmetric=True, normed=True
    )
    return matrix


def properties(
    quantised: NDArray[Any], levels: int, offset: tuple[int, int], names: Sequence[str], *, window_size: int, step: int
) -> dict[str, NDArray[np.float64]]:
    """{name: (rows, columns)} of all windows."""
    rows, columns = (starts(size, window_size, step) for size in quantised.shape)
    result = {name: np.zeros((len(rows), len(columns))) for name in names}
    for i, top in enumerate(rows):
        for j, left in enumerate(columns):
            matrix = skimage_matrix(quantised[top : top + window_size, left : left + window_size], levels, offset)
            for name in names:
                result[name][i, j] = graycoprops(matrix, name)[0, 0]
    return result


def distances(
    quantised: NDArray[Any], levels: int, names: Sequence[str], *, distance: int, window_size: int, step: int
) -> NDArray[np.float64]:
    """Root mean square of the robust deviations of all properties in four directions: (rows, columns)."""
    largest = {"contrast": (levels - 1) ** 2, "dissimilarity": levels - 1}
    squares = []
    for row, column in ((0, 1), (1, 1), (1, 0), (1, -1)):
        offset = (row * distance, column * distance)
        found = properties(quantised, levels, offset, names, window_size=window_size, step=step)
        for name, values in found.items():
            scaled = values / largest.get(name, 1)
            away = np.abs(scaled - lower_median(scaled))
            squares.append((away / (1.4826 * lower_median(away) + 1e-3)) ** 2)
    return np.sqrt(np.mean(np.array(squares), axis=0))


def lower_median(values: NDArray[np.float64]) -> float:
    """The middle value, of two the lower."""
    return float(np.sort(values, axis=None)[(values.size - 1) // 2])
