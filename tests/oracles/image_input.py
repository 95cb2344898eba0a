"""Mirrored blurring and overlapping patches, pixel by pixel."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mirror(index: int, size: int) -> int:
    """The cell that stands at an index beyond the frame."""
    while size > 1 and not 0 <= index < size:
        index = -index if index < 0 else 2 * (size - 1) - index
    return index if size > 1 else 0


def smooth(values: NDArray[Any], sigma: float) -> NDArray[np.float64]:
    """Gaussian-weighted mean as far as 4 sigma."""
    reach = range(-math.ceil(4 * sigma), math.ceil(4 * sigma) + 1)
    weights = {(i, j): math.exp(-(i * i + j * j) / (2 * sigma**2)) for i in reach for j in reach}
    height, width = values.shape
    result = np.zeros(values.shape)
    for y in range(height):
        for x in range(width):
            for (i, j), weight in weights.items():
                result[y, x] += weight * values[mirror(y + i, height), mirror(x + j, width)]
    return result / sum(weights.values())


def starts(size: int, patch_size: int, step: int) -> list[int]:
    """Where patches start along an axis."""
    result = [0]
    while result[-1] + patch_size < size:
        result.append(min(result[-1] + step, size - patch_size))
    return result


def mean_over_patches(patches: NDArray[np.float64], size: tuple[int, int], step: int) -> NDArray[np.float64]:
    """Mean of all patches (rows, columns, n, n) at every pixel that they hold."""
    patch_size = patches.shape[-1]
    held: list[list[list[float]]] = [[[] for _ in range(size[1])] for _ in range(size[0])]
    for i, top in enumerate(starts(size[0], patch_size, step)):
        for j, left in enumerate(starts(size[1], patch_size, step)):
            for y in range(patch_size):
                for x in range(patch_size):
                    held[top + y][left + x].append(patches[i, j, y, x])
    return np.array([[np.mean(values) for values in row] for row in held])
