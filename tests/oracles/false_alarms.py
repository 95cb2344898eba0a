"""The null distribution of the scores of cells, with loops."""

import numpy as np
from scipy import stats

from oracles.thresholds import slow_quantile


def bulk(scores: list[float], low: float, high: float) -> tuple[list[float], list[float]]:
    """40 shares from low to high, and the quantiles of the scores there."""
    shares = [low + (high - low) * step / 39 for step in range(40)]
    return shares, [slow_quantile(scores, share) for share in shares]


def slow_null(scores: list[float]) -> tuple[float, float, float]:
    """Shape, origin and scale of the gamma distribution whose quantiles lie best on a line with those of the scores."""
    shares, found = bulk(scores, 0.1, 0.8)
    best = (np.inf, 0.0, 0.0, 0.0)
    for step in range(80):
        shape = 0.5 * 400 ** (step / 79)
        expected = [stats.gamma.ppf(share, shape) for share in shares]
        scale, origin = np.polyfit(expected, found, 1)
        error = sum((value - origin - scale * wanted) ** 2 for value, wanted in zip(found, expected, strict=True))
        best = min(best, (error, shape, origin, scale))
    return best[1:]
