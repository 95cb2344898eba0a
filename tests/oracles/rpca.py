"""Robust PCA by the alternating direction method with a fixed penalty and full singular value decompositions."""

import numpy as np
from numpy.typing import NDArray


def robust_pca(
    matrix: NDArray[np.float64], weight: float, iterations: int = 3000
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Low-rank and sparse part: slow to converge, but to the one minimum of the convex problem."""
    penalty = matrix.size / (4 * np.abs(matrix).sum())
    low_rank, sparse, multiplier = (np.zeros(matrix.shape) for _ in range(3))
    for _ in range(iterations):
        left, values, right = np.linalg.svd(matrix - sparse + multiplier / penalty, full_matrices=False)
        low_rank = left @ np.diag(np.maximum(values - 1 / penalty, 0)) @ right
        target = matrix - low_rank + multiplier / penalty
        sparse = np.sign(target) * np.maximum(np.abs(target) - weight / penalty, 0)
        multiplier = multiplier + penalty * (matrix - low_rank - sparse)
    return low_rank, sparse


def objective(low_rank: NDArray[np.float64], sparse: NDArray[np.float64], weight: float) -> float:
    """What robust PCA minimises."""
    return np.linalg.svd(low_rank, compute_uv=False).sum() + weight * np.abs(sparse).sum()
