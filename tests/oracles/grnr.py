"""Global-regularized neighbourhood regression by its definitions, cell by cell in float64."""

import numpy as np
import torch
from numpy.typing import NDArray

from oracles.patch_statistics import gaussian


def window_means(features: torch.Tensor, size: int) -> torch.Tensor:
    """The mean of every cell's window of size x size cells, of those that lie on the map: (C, H, W)."""
    values, reach = np.asarray(features, np.float64), size // 2
    means = np.zeros_like(values)
    for row, column in np.ndindex(values.shape[1:]):
        window = values[:, max(row - reach, 0) : row + reach + 1, max(column - reach, 0) : column + reach + 1]
        means[:, row, column] = window.mean(axis=(1, 2))
    return torch.from_numpy(means)


def typical_cells(features: NDArray[np.float64] | torch.Tensor, count: int) -> NDArray[np.float64]:
    """Equation 3 with all N x N distances: (K, C), ties in raster order."""
    cells = np.asarray(features, np.float64).reshape(len(features), -1).T
    sums = [sum(((cell - other) ** 2).sum() for other in cells) for cell in cells]
    return cells[np.argsort(sums, kind="stable")[:count]]


def regression_errors(
    features: torch.Tensor,
    *,
    neighbour_radius: int,
    global_cells: int,
    eta: float,
    step: int = 1,
    ridge: float = 0.0,
) -> NDArray[np.float64]:
    """Equations 15 and 19: the sum of K + 1 squared distances as one least-squares problem for every cell.

    With a ridge the weights' squares are added, times ridge, the neighbours' squares, and the 1 + K eta distances.
    """
    values = np.asarray(features, np.float64)
    typical = typical_cells(values, global_cells)
    errors = np.zeros(values.shape[1:])
    for row, column in np.ndindex(errors.shape):
        query = values[:, row, column]
        near = np.array(
            [
                values[:, y, x]
                for y in range(row - neighbour_radius * step, row + neighbour_radius * step + 1, step)
                for x in range(column - neighbour_radius * step, column + neighbour_radius * step + 1, step)
                if (y, x) != (row, column) and 0 <= y < values.shape[1] and 0 <= x < values.shape[2]
            ]
        ).reshape(-1, len(query))
        penalty = np.sqrt((1 + len(typical) * eta) * ridge * (near**2).sum()) * np.eye(len(near))
        matrix = np.concatenate([near.T] + [np.sqrt(eta) * near.T] * len(typical) + [penalty])
        target = np.concatenate([query] + [np.sqrt(eta) * cell for cell in typical] + [np.zeros(len(near))])
        weights = np.linalg.lstsq(matrix, target, rcond=1e-9)[0]
        errors[row, column] = ((query - weights @ near) ** 2).sum()
    return errors


def read_at(
    values: NDArray[np.float64], rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values (h, w) read bilinearly at fractional rows and columns, constant beyond the outer cells."""
    along = np.array([np.interp(rows, np.arange(len(values)), column) for column in values.T]).T
    return np.array([np.interp(columns, np.arange(len(row)), row) for row in along])


def smooth(values: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Gaussian of a deviation in cells, cut at three deviations, reflected at the border."""
    reach = int(np.ceil(3 * sigma))
    weights = gaussian(2 * reach + 1, sigma)
    padded = np.pad(values, reach, mode="reflect")
    result = np.zeros(values.shape)
    for row, column in np.ndindex(values.shape):
        result[row, column] = (padded[row : row + 2 * reach + 1, column : column + 2 * reach + 1] * weights).sum()
    return result
