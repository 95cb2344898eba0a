"""What normal images are like and how much others stand out, image by image and tile by tile."""

from dataclasses import dataclass
from statistics import harmonic_mean, median

import numpy as np
from scipy import stats

from oracles.false_alarms import bulk
from oracles.thresholds import slow_quantile

Rows = list[list[float]]


def slow_tile_maxima(rows: Rows, tiles: int = 8) -> list[float]:
    """The largest score of each tile in raster order; a tile without a cell of its own has the one where it begins."""
    height, width = len(rows), len(rows[0])
    return [
        max(
            rows[y][x]
            for y in range(i * height // tiles, max((i + 1) * height // tiles, i * height // tiles + 1))
            for x in range(j * width // tiles, max((j + 1) * width // tiles, j * width // tiles + 1))
        )
        for i in range(tiles)
        for j in range(tiles)
    ]


def slow_score(rows: Rows) -> float:
    """The mean of the largest hundredth of a map."""
    values = sorted(value for row in rows for value in row)
    count = max(1, round(0.01 * len(values)))
    return sum(values[-count:]) / count


@dataclass
class SlowImages:
    """A collection of maps with positive medians; ``within`` and ``between`` are the p-values of the two questions."""

    maps: list[Rows]

    def __post_init__(self) -> None:
        self.excess = [
            [np.log(score / median(value for row in rows for value in row)) for score in slow_tile_maxima(rows)]
            for rows in self.maps
        ]
        self.frame = [0.0] * 64
        if len(self.maps) >= 8:
            shared = [slow_quantile([tiles[place] for tiles in self.excess], 0.25) for place in range(64)]
            middle = median(shared)
            limit = 1.5 * 1.4826 * median(abs(value - middle) for value in shared)
            self.frame = [value - middle if value - middle > limit else 0.0 for value in shared]
        lowered = [value - part for tiles in self.excess for value, part in zip(tiles, self.frame, strict=True)]
        shares, found = bulk(lowered, 0.05, 0.25)
        self.scale, self.origin = np.polyfit([stats.gumbel_r.ppf(share) for share in shares], found, 1)
        self.scores = [np.log(slow_score(rows)) for rows in self.maps]

    def within(self, image: int) -> float:
        largest = max(value - part for value, part in zip(self.excess[image], self.frame, strict=True))
        return 1 - stats.gumbel_r.cdf(largest, self.origin, self.scale) ** 64

    def between(self, image: int) -> float:
        shares, found = bulk(self.scores, 0.02, 0.35)
        scale, origin = np.polyfit([stats.logistic.ppf(share) for share in shares], found, 1)
        value, count = self.scores[image], len(self.scores)
        rank = sum(other >= value for place, other in enumerate(self.scores) if place != image) / (count - 1)
        narrow, wide = (stats.logistic.sf(value, origin, width * scale) for width in (1 / (1 + count / 300), 2))
        return max(min(rank, max(narrow, wide)), min(narrow, wide))

    def p_value(self, image: int) -> float:
        if len(self.maps) < 8:
            return self.within(image)
        return harmonic_mean([self.within(image), self.between(image)])
