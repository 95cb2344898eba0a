"""What normal images of a collection are like, and how much an image stands out from them.

Nobody says which images are normal, and all or none of them may be. Two questions are asked of every image:

- within: does a part of it stand out from what parts of images are like? Even anomalous images are normal in most of
  their parts, so the calmest of all parts tell, and a collection of anomalous images, or a single image, has an answer;
- between: does it stand out from the other images? A collection with anomalies has normal images too, so the lowest
  third of all scores tells. This needs `FEWEST_IMAGES`.

Each gives a p-value: the share of normal images that stand out as much. An image's own is the harmonic mean of the two
(Wilson, "The harmonic mean p-value for combining dependent tests", PNAS 2019). An image that stands out in one way
alone has twice the smaller of the two, as by Bonferroni's correction, and one that stands out in both no more than the
larger. Of normal images, 5.0 to 5.5 % are below .05, however much the two answers depend on each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from firstsight.clustering.false_alarms import fit_lines
from firstsight.clustering.thresholds import checked_scores, robust_deviation
from firstsight.detectors.image_score import image_score

TILES = 8
"""Rows and columns of parts into which an image is cut."""

BULK_OF_TILES = (0.05, 0.25)
"""Quantiles between which the largest scores of all tiles are taken to be normal: three quarters may be anomalous."""

BULK_OF_IMAGES = (0.02, 0.35)
"""The same for scores of images: up to two thirds of a collection may be anomalous."""

FRAME_SHARE, FRAME_DEVIATIONS = 0.25, 1.5
"""A place is the frame of the pictures where the excess in all but this share of the images is so many robust
deviations above that of other places."""

WIDEST = 2.0
"""By how much wider than their lowest third says the scores of normal images may be spread."""

MANY_IMAGES = 300
"""Among so many images, ranks are trusted down to half the spread that the lowest third says."""

FEWEST_IMAGES = 8
"""Fewer images say nothing of what is usual among images, or at one place of all images."""

QUANTILES = 40
SCORES_KEPT = 1000
LEAST_SCORE = 0.01
"""Scores below this share of their map's median count as that share."""


class MapStatistics(NamedTuple):
    """What is kept of N anomaly maps.

    Attributes:
        tiles: (N, `TILES` squared) largest score of every tile, in raster order.
        medians: (N,) the median of each map.
        scores: (N,) `image_score` of each map.
    """

    tiles: NDArray[np.floating]
    medians: NDArray[np.floating]
    scores: NDArray[np.floating]

    @classmethod
    def of(cls, anomaly_map: NDArray[np.floating]) -> Self:
        """Those of one map, (h, w), finite, with N = 1. Where it has fewer cells than tiles, tiles repeat."""
        tiles = tile_maxima(anomaly_map)
        return cls(tiles[None], np.array([np.median(anomaly_map)]), np.array([image_score(anomaly_map)]))

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Those of several maps, in order; at least one."""
        return cls(*map(np.concatenate, zip(*parts, strict=True)))


class Spread(NamedTuple):
    """Origin and scale of a distribution."""

    origin: float
    scale: float


@dataclass(frozen=True)
class NormalImages:
    """What normal images of a collection are like, see `fit_normal_images`.

    Scores are compared as ratios if ``relative`` (their logarithms are subtracted), else as differences.

    Args:
        relative: whether scores are compared as ratios.
        tiles: Gumbel's distribution of the excess of a tile: of its largest score over the median of its map.
        frame: (`TILES`, `TILES`) rows of what the frame of the pictures adds to the excess.
        images: logistic distribution of the scores of images; None if there were too few.
        ranked: ascending scores of images, or so many quantiles of them; empty if there were too few.
        count: number of images.
    """

    relative: bool
    tiles: Spread
    frame: Sequence[Sequence[float]]
    images: Spread | None
    ranked: Sequence[float]
    count: int

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """The object whose ``dataclasses.asdict`` this is, after JSON."""
        images = content["images"]
        spreads = {"tiles": Spread(*content["tiles"]), "images": None if images is None else Spread(*images)}
        return cls(**(content | spreads))

    @property
    def questions(self) -> int:
        """How many questions an image is asked: 1 where there were too few to compare it with."""
        return 1 if self.images is None else 2

    def p_values(self, maps: MapStatistics) -> NDArray[np.float64]:
        """For every map, the share of normal images that stand out as much, (N,) in [0, 1]."""
        within = self._within(maps)
        if self.images is None:
            return within
        return np.asarray(stats.hmean([within, self._between(self.images, maps.scores)], axis=0))

    def highest(self, medians: NDArray[np.floating], rate: float) -> NDArray[np.float64]:
        """The score that the largest of a map without its frame exceeds in this share of normal images.

        Args:
            medians: (N,) the median of each map.
            rate: by the question within, in (0, 1).

        Returns:
            (N,); infinite where all tiles of the collection are alike.
        """
        values = np.asarray(medians, np.float64)
        if self.tiles.scale == 0:
            return np.full_like(values, np.inf)
        largest = np.log(TILES**2) - np.log(-np.log1p(-rate))
        excess = self.tiles.origin + self.tiles.scale * largest
        return values * np.exp(excess) if self.relative else values + excess

    def at_height(self, median: float, highest: float, share: float) -> float:
        """The score at this share, in [0, 1], of the height of a map's highest score above its median."""
        if not self.relative or median <= 0:
            return median + share * (highest - median)
        return float(median * (highest / median) ** share)

    def without_frame(self, anomaly_map: NDArray[np.float32]) -> NDArray[np.float32]:
        """A map (h, w) lowered where nearly all images of the collection score high."""
        rows, columns = (np.repeat(np.arange(TILES), np.diff([*_starts(size), size])) for size in anomaly_map.shape)
        frame = np.asarray(self.frame, np.float32)[np.ix_(rows, columns)]
        return anomaly_map * np.exp(-frame) if self.relative else anomaly_map - frame

    def _within(self, maps: MapStatistics) -> NDArray[np.float64]:
        excess = _excess(maps, relative=self.relative) - np.ravel(self.frame)
        origin, scale = self.tiles
        if scale == 0:
            return np.ones(len(excess))
        # The largest of k tiles follows Gumbel's distribution too, ``scale * log(k)`` further out.
        return np.asarray(-np.expm1(-np.exp(np.log(TILES**2) - (excess.max(axis=1) - origin) / scale)))

    def _between(self, images: Spread, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """The share of other images that score as high, held between two logistic distributions."""
        values, ranked = _comparable(np.asarray(scores, np.float64), relative=self.relative), np.asarray(self.ranked)
        others_as_high = np.maximum(0, len(ranked) - ranked.searchsorted(values) - 1) / (len(ranked) - 1)
        if images.scale == 0:
            return np.asarray(others_as_high)
        widths = (1 / (1 + self.count / MANY_IMAGES), WIDEST)
        narrow, wide = (special.expit((images.origin - values) / (width * images.scale)) for width in widths)
        return np.clip(others_as_high, np.minimum(narrow, wide), np.maximum(narrow, wide))


def fit_normal_images(maps: MapStatistics) -> NormalImages:
    """Estimate what normal images of a collection are like, from all of its images.

    The excess of a tile is its largest score over the median of its map. The largest of many scores follows Gumbel's
    distribution (Fisher and Tippett 1928), which is fitted to the calmest quarter of the tiles of all images (quantile
    matching, see `false_alarms`). It assumes independent tiles: those of an image are alike, which mostly makes false
    alarms rarer than asked for. What stands out at one place in three quarters of the images, such as a dark edge,
    belongs to the frame of the pictures and not to what they show: it is subtracted.

    A logistic distribution is fitted to the lowest third of the images' scores. Where images score higher than it
    predicts, they may be anomalous, or normal scores may be skewed: a p-value is then the image's rank among all, but
    no larger than by a distribution that is `WIDEST` times as wide. Where images score lower than it predicts, ranks
    count likewise, the more the more images there are. Whole images are compared, so it does not matter how their
    tiles depend on each other.

    Args:
        maps: of all images, N at least 1.

    Raises:
        FirstsightError: there is no map, or a value is not finite.
    """
    medians = checked_scores(maps.medians, "medians of maps")
    scores = checked_scores(maps.scores, "image scores")
    checked_scores(np.ravel(maps.tiles), "largest scores of tiles")
    count, relative = len(scores), bool(medians.min() > 0)
    excess = _excess(maps, relative=relative)
    frame, images, ranked = np.zeros(TILES**2), None, np.empty(0)
    if count >= FEWEST_IMAGES:
        shared = np.quantile(excess, FRAME_SHARE, axis=0)
        above = shared - np.median(shared)
        frame = np.where(above > FRAME_DEVIATIONS * robust_deviation(shared), above, 0)
        values = np.sort(_comparable(scores, relative=relative))
        shares = np.linspace(*BULK_OF_IMAGES, QUANTILES)
        images = _fit_line(values, shares, special.logit(shares))
        ranked = values if count <= SCORES_KEPT else np.quantile(values, np.linspace(0, 1, SCORES_KEPT))
    shares = np.linspace(*BULK_OF_TILES, QUANTILES)
    return NormalImages(
        relative=relative,
        tiles=_fit_line((excess - frame).ravel(), shares, -np.log(-np.log(shares))),
        frame=frame.reshape(TILES, TILES).tolist(),
        images=images,
        ranked=ranked.tolist(),
        count=count,
    )


def tile_maxima(anomaly_map: NDArray[np.floating]) -> NDArray[np.floating]:
    """Largest score of every tile of a map.

    Args:
        anomaly_map: (h, w), at least one cell.

    Returns:
        (`TILES` squared,) in raster order. Tiles differ by at most one cell in height and width; along an axis with
        fewer cells than tiles, each has one cell and some have the same.
    """
    rows, columns = map(_starts, anomaly_map.shape)
    maxima: NDArray[np.floating] = np.maximum.reduceat(np.maximum.reduceat(anomaly_map, rows, 0), columns, 1).ravel()
    return maxima


def _starts(size: int) -> NDArray[np.int64]:
    """Where the tiles begin along an axis of so many cells."""
    return np.arange(TILES) * size // TILES


def _excess(maps: MapStatistics, *, relative: bool) -> NDArray[np.float64]:
    """How far the tiles of maps exceed the maps' medians, (N, `TILES` squared)."""
    tiles, medians = np.asarray(maps.tiles, np.float64), np.asarray(maps.medians, np.float64)[:, None]
    if not relative:
        return tiles - medians
    # A new image may have no positive median, though all known ones have.
    least = np.maximum(LEAST_SCORE * medians, np.finfo(np.float32).tiny)
    return np.log(np.maximum(tiles, least) / np.maximum(medians, least))


def _comparable(scores: NDArray[np.float64], *, relative: bool) -> NDArray[np.float64]:
    return np.log(np.maximum(scores, np.finfo(np.float32).tiny)) if relative else scores


def _fit_line(scores: NDArray[np.float64], shares: NDArray[np.float64], expected: NDArray[np.float64]) -> Spread:
    """The line through the quantiles of scores at these shares, over the expected ones."""
    (origin,), (scale,), _ = fit_lines(np.quantile(scores, shares), expected[:, None])
    return Spread(float(origin), float(scale))
