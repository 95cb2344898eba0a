"""Laws' texture energy, pixel by pixel, for comparison with ``firstsight.features.laws``."""

import numpy as np
from numpy.typing import NDArray

KERNELS = {
    "L5": [1, 4, 6, 4, 1],
    "E5": [-1, -2, 0, 2, 1],
    "S5": [-1, 0, 2, 0, -1],
    "R5": [1, -4, 6, -4, 1],
}


def reflected(index: int, length: int) -> int:
    """The pixel that an index beyond the frame shows in a mirror on the centre of the outermost pixel."""
    while not 0 <= index < length:
        index = -index if index < 0 else 2 * (length - 1) - index
    return index


def pixel(image: NDArray[np.float64], row: int, column: int, border: str) -> float:
    """One pixel, also beyond the frame: reflected, or zero."""
    height, width = image.shape
    if border == "reflect":
        return float(image[reflected(row, height), reflected(column, width)])
    return float(image[row, column]) if 0 <= row < height and 0 <= column < width else 0.0


def filtered(image: NDArray[np.float64], kernel: NDArray[np.float64], border: str) -> NDArray[np.float64]:
    """Correlation with a kernel of odd size."""
    half = len(kernel) // 2
    result = np.zeros_like(image)
    for row, column in np.ndindex(*image.shape):
        for i, j in np.ndindex(*kernel.shape):
            result[row, column] += kernel[i, j] * pixel(image, row + i - half, column + j - half, border)
    return result


def laws_energy(image: NDArray[np.float64], border: str) -> dict[str, NDArray[np.float64]]:
    """Energies of an RGB image (3, H, W) at every 4th pixel; ``E5S5``: E5 down the rows, S5 along the columns."""
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    detrended = grey - filtered(grey, np.full((15, 15), 1 / 15**2), border)
    energies = {}
    for down, v in KERNELS.items():
        for along, h in KERNELS.items():
            response = filtered(detrended, np.outer(v, h).astype(float), border)
            energies[down + along] = filtered(np.abs(response), np.full((7, 7), 1 / 7**2), border)[::4, ::4]
    return energies
