"""Disagreement of anomaly maps, pair by pair of cells."""

import numpy as np
from numpy.typing import NDArray


def disagreement(first: NDArray[np.float32], second: NDArray[np.float32], top_share: float) -> float:
    return (missed(first, second, top_share) + missed(second, first, top_share)) / 2


def missed(pointing: NDArray[np.float32], searched: NDArray[np.float32], top_share: float) -> float:
    count = max(1, round(top_share * len(pointing)))
    bound = sorted(pointing, reverse=True)[count - 1]
    top = [index for index, score in enumerate(pointing) if score >= bound]
    rest = [index for index, score in enumerate(pointing) if score < bound]
    if not rest:
        return 0.5
    wrong = [
        1.0 if searched[high] < searched[low] else 0.5 if searched[high] == searched[low] else 0.0
        for high in top
        for low in rest
    ]
    return float(np.mean(wrong))
