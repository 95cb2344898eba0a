"""Thresholds and p-values with a stated rate of false alarms, from a collection's own scores.

Nobody says which scores are normal, so their distribution is estimated like the null distribution of many simultaneous
tests (Efron, "Large-Scale Simultaneous Hypothesis Testing: The Choice of a Null Hypothesis", JASA 2004, section 4):
from the bulk of all scores, where anomalies are rare, and from there extrapolated into the tail. Efron's null
distribution is normal. Anomaly maps are skewed, so here it is a gamma distribution with a free origin (Pearson's type
III), whose limit is the normal distribution.

The scores themselves bound the estimate: at least the accepted share of all scores, normal and anomalous together, lies
above a threshold. Where the fitted tail is too long for that, the quantile of all scores is used instead.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from firstsight.clustering.thresholds import checked_scores
from firstsight.errors import FirstsightError

BULK_OF_CELLS = (0.1, 0.8)
"""Quantiles between which nearly all cells are taken to be normal: up to a fifth of a collection may be anomalous."""

BULK_OF_TILES = (0.1, 0.5)
"""The same for the largest scores of tiles: an anomaly reaches a larger share of tiles than of cells."""

BULK_OF_IMAGES = (0.02, 0.5)
"""The same for scores of images: up to half of a collection may be anomalous."""

WIDEST = 2.0
"""By how much wider than their lower half says the scores of normal images may be spread."""

MANY_IMAGES = 300
"""Among so many images, ranks are trusted down to half the spread that the lower half says."""

FEWEST_IMAGES = 10
"""Fewer images say nothing of what is usual."""

TILES = 4
"""Rows and columns of tiles into which an image is cut."""

QUANTILES = 40
SHAPES = np.geomspace(0.5, 200.0, 80)
"""Shapes of the gamma distribution that are tried, from steeper than exponential to hardly skewed."""


@dataclass(frozen=True)
class NullDistribution:
    """Distribution of normal scores: ``origin + scale * g``, where g has the gamma distribution with this ``shape``."""

    shape: float
    origin: float
    scale: float

    def exceeded_by(self, share: float) -> float:
        """The score that this share of normal scores exceeds."""
        return float(self.origin + self.scale * stats.gamma.isf(share, self.shape))


def fit_null(scores: NDArray[np.floating]) -> NullDistribution:
    """Estimate the distribution of the normal scores of cells from all scores.

    The shape is the one whose quantiles best form a straight line with those of the scores, by least squares on evenly
    spaced shares of the bulk ("quantile matching"); the line gives origin and scale.

    Args:
        scores: (n,) finite scores, at least one.

    Returns:
        The distribution. Where all scores of the bulk are equal, its scale is 0.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    shares = np.linspace(*BULK_OF_CELLS, QUANTILES)
    quantiles = np.quantile(checked_scores(scores, "scores"), shares)
    origins, scales, errors = _fit_lines(quantiles, stats.gamma.ppf(shares[:, None], SHAPES))
    best = int(errors.argmin())
    return NullDistribution(shape=float(SHAPES[best]), origin=float(origins[best]), scale=float(scales[best]))


def pixel_threshold(scores: NDArray[np.floating], rate: float) -> float:
    """The score that about this share of normal cells exceeds.

    Args:
        scores: (n,) finite scores of a collection's cells, or of a random sample of these.
        rate: the accepted share of normal cells that are false alarms, in (0, 1).

    Returns:
        The threshold: at most the quantile of all scores, so that at least the share ``rate`` of them lies above it
        (none does where all scores are equal).

    Raises:
        FirstsightError: there are no scores, one is not finite, or the rate is not within (0, 1).
    """
    _check_rate(rate)
    return min(fit_null(scores).exceeded_by(rate), float(np.quantile(np.asarray(scores, np.float64), 1 - rate)))


def image_threshold(tiles: NDArray[np.floating], image_maxima: NDArray[np.floating], rate: float) -> float:
    """The score that is exceeded by the largest score of about this share of normal images.

    Most images of a collection may be anomalous, but most tiles of images are not. The largest of many scores follows
    Gumbel's distribution (Fisher and Tippett 1928), here fitted to the bulk of the tiles' largest scores. The largest
    score of k normal tiles follows it too, ``scale * log(k)`` further out. That assumes independent tiles: the tiles of
    an image are alike, which makes false alarms rarer than asked for, not more frequent.

    Args:
        tiles: (n,) largest score of every tile of every image, see `tile_maxima`.
        image_maxima: (N,) largest score of every image.
        rate: the accepted share of normal images that are false alarms, in (0, 1).

    Raises:
        FirstsightError: there are no scores, one is not finite, or the rate is not within (0, 1).
    """
    _check_rate(rate)
    image_maxima = checked_scores(image_maxima, "image maxima")
    shares = np.linspace(*BULK_OF_TILES, QUANTILES)
    quantiles = np.quantile(checked_scores(tiles, "largest scores of tiles"), shares)
    origins, scales, _ = _fit_lines(quantiles, -np.log(-np.log(shares))[:, None])
    tiles_per_image = len(tiles) / len(image_maxima)
    fitted = origins[0] + scales[0] * (np.log(tiles_per_image) - np.log(-np.log1p(-rate)))
    return min(float(fitted), float(np.quantile(image_maxima, 1 - rate)))


def image_p_values(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """For every image, the share of normal images that score at least as high.

    About a given share of the normal images have a p-value below that share. Whole images are compared, so it does not
    matter how their tiles depend on each other. A logistic distribution is fitted to the lower half of the logarithms
    of all scores (of the scores, where one is not positive), since up to half of the images may be anomalous. Where
    images score higher than it predicts, they may be anomalous, or normal scores may be skewed: a p-value is then the
    image's rank among all, but no larger than by a distribution that is `WIDEST` times as wide. Where images score
    lower than it predicts, ranks count likewise, the more the more images there are.

    Args:
        scores: (N,) finite score of every image of a collection, in any order.

    Returns:
        (N,) in [0, 1], the smaller the higher the score.

    Raises:
        FirstsightError: there are fewer than `FEWEST_IMAGES`, or a score is not finite.
    """
    values = checked_scores(scores, "image scores")
    if len(values) < FEWEST_IMAGES:
        raise FirstsightError(f"{len(values)} images have no p-values: these need at least {FEWEST_IMAGES}")
    if values.min() > 0:
        values = np.log(values)
    shares = np.linspace(*BULK_OF_IMAGES, QUANTILES)
    (origin,), (scale,), _ = _fit_lines(np.quantile(values, shares), special.logit(shares)[:, None])
    others_as_high = (len(values) - np.sort(values).searchsorted(values) - 1) / (len(values) - 1)
    if scale == 0:
        return np.asarray(others_as_high)
    widths = (1 / (1 + len(values) / MANY_IMAGES), WIDEST)
    narrow, wide = (special.expit((origin - values) / (width * scale)) for width in widths)
    return np.clip(others_as_high, np.minimum(narrow, wide), np.maximum(narrow, wide))


def tile_maxima(anomaly_map: NDArray[np.floating]) -> NDArray[np.floating]:
    """Largest score of every tile of a map.

    Args:
        anomaly_map: (h, w), at least one cell. Along an axis with fewer cells than `TILES`, every cell is a tile.

    Returns:
        (k,) with k at most `TILES` squared; tiles differ by at most one cell in height and width.
    """
    rows, columns = (np.arange(min(TILES, size)) * size // min(TILES, size) for size in anomaly_map.shape)
    maxima: NDArray[np.floating] = np.maximum.reduceat(np.maximum.reduceat(anomaly_map, rows, 0), columns, 1).ravel()
    return maxima


def _fit_lines(
    quantiles: NDArray[np.float64], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Straight lines by least squares through quantiles (n,) over the expected ones (n, m).

    Returns:
        Origin, scale and sum of squared errors of each line, (m,); the scale is exactly 0 for quantiles all equal.
    """
    middle = expected.mean(axis=0)
    centre = quantiles[0] if quantiles[0] == quantiles[-1] else quantiles.mean()
    scales = (quantiles - centre) @ (expected - middle) / ((expected - middle) ** 2).sum(axis=0)
    errors = ((quantiles[:, None] - centre - scales * (expected - middle)) ** 2).sum(axis=0)
    return centre - scales * middle, scales, errors


def _check_rate(rate: float) -> None:
    if not 0 < rate < 1:
        raise FirstsightError(f"the rate of false alarms is {rate}, not within (0, 1)")
