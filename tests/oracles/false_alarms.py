"""Lines through quantiles, and the largest scores of tiles, with loops."""

import numpy as np
from scipy import stats

from oracles.thresholds import slow_quantile


def bulk(scores: list[float], high: float) -> tuple[list[float], list[float]]:
    """40 shares from a tenth up, and the quantiles of the scores there."""
    shares = [0.1 + (high - 0.1) * step / 39 for step in range(40)]
    return shares, [slow_quantile(scores, share) for share in shares]


def slow_null(scores: list[float]) -> tuple[float, float, float]:
    """Shape, origin and scale of the gamma distribution whose quantiles lie best on a line with those of the scores."""
    shares, found = bulk(scores, 0.8)
    best = (np.inf, 0.0, 0.0, 0.0)
    for step in range(80):
        shape = 0.5 * 400 ** (step / 79)
        expected = [stats.gamma.ppf(share, shape) for share in shares]
        scale, origin = np.polyfit(expected, found, 1)
        error = sum((value - origin - scale * wanted) ** 2 for value, wanted in zip(found, expected, strict=True))
        best = min(best, (error, shape, origin, scale))
    return best[1:]


def slow_image_threshold(tiles: list[float], maxima: list[float], rate: float) -> float:
    """Where Gumbel's distribution, to the power of tiles an image, leaves the rate; at most the images' quantile."""
    shares, found = bulk(tiles, 0.5)
    scale, origin = np.polyfit([stats.gumbel_r.ppf(share) for share in shares], found, 1)
    below = (1 - rate) ** (len(maxima) / len(tiles))
    return min(stats.gumbel_r.ppf(below, origin, scale), slow_quantile(maxima, 1 - rate))


def slow_image_p_values(scores: list[float]) -> list[float]:
    """Each image's rank among the others, held between two logistic distributions."""
    values = [np.log(score) for score in scores] if min(scores) > 0 else scores
    shares = [0.02 + 0.48 * step / 39 for step in range(40)]
    expected = [stats.logistic.ppf(share) for share in shares]
    scale, origin = np.polyfit(expected, [slow_quantile(values, share) for share in shares], 1)
    found = []
    for number, value in enumerate(values):
        rank = sum(other >= value for place, other in enumerate(values) if place != number) / (len(values) - 1)
        narrow, wide = (stats.logistic.sf(value, origin, width * scale) for width in (1 / (1 + len(values) / 300), 2))
        found.append(max(min(rank, max(narrow, wide)), min(narrow, wide)))
    return found


def slow_tile_maxima(rows: list[list[float]], tiles: int) -> list[float]:
    """The largest score of each tile in raster order."""
    height, width = len(rows), len(rows[0])
    down, across = min(tiles, height), min(tiles, width)
    found = []
    for i in range(down):
        for j in range(across):
            cells = [
                rows[y][x]
                for y in range(i * height // down, (i + 1) * height // down)
                for x in range(j * width // across, (j + 1) * width // across)
            ]
            found.append(max(cells))
    return found
