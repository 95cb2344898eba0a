"""The jigsaw and the defects of SBM, tile by tile and pixel by pixel."""

import numpy as np
from numpy.typing import NDArray


def shuffle_tiles(image: NDArray[np.float32], permutation: list[int], grid: int) -> NDArray[np.float32]:
    """Image (C, H, W): tile number permutation[i], counted row by row, is put at place i."""
    height, width = image.shape[1] // grid, image.shape[2] // grid
    result = np.empty_like(image)
    for place, tile in enumerate(permutation):
        to_row, to_column = place // grid * height, place % grid * width
        from_row, from_column = tile // grid * height, tile % grid * width
        result[:, to_row : to_row + height, to_column : to_column + width] = image[
            :, from_row : from_row + height, from_column : from_column + width
        ]
    return result


def smallest_distance(permutations: list[list[int]]) -> int:
    """The fewest places in which two of the permutations differ."""
    return min(
        sum(a != b for a, b in zip(first, second, strict=True))
        for index, first in enumerate(permutations)
        for second in permutations[:index]
    )


def deform(
    image: NDArray[np.float32], region: NDArray[np.float32], displacements: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Image (C, H, W) bilinearly at (row, column) + region * displacement, mirrored at the border pixels."""
    height, width = region.shape
    result = image.astype(np.float64).copy()
    for row in range(height):
        for column in range(width):
            if region[row, column] > 0:
                down, right = region[row, column] * displacements[:, row, column]
                result[:, row, column] = _bilinear(image, _mirror(row + down, height), _mirror(column + right, width))
    return result


def _mirror(position: float, length: int) -> float:
    while not 0 <= position <= length - 1:
        position = -position if position < 0 else 2 * (length - 1) - position
    return position


def _bilinear(image: NDArray[np.float32], row: float, column: float) -> NDArray[np.floating]:
    top, left = int(row), int(column)
    bottom, right = min(top + 1, image.shape[1] - 1), min(left + 1, image.shape[2] - 1)
    y, x = row - top, column - left
    upper = (1 - x) * image[:, top, left] + x * image[:, top, right]
    lower = (1 - x) * image[:, bottom, left] + x * image[:, bottom, right]
    return (1 - y) * upper + y * lower
