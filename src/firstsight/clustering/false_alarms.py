"""Thresholds with a stated rate of false alarms, from a collection's own scores.

Nobody says which scores are normal, so their distribution is estimated as the null distribution is from many tests at
once (Efron, "Large-Scale Simultaneous Hypothesis Testing: The Choice of a Null Hypothesis", JASA 2004, section 4):
from the bulk of all scores, in which anomalies are rare, and is followed from there into the tail. Efron's null is
normal. Anomaly maps are skewed, so here it is a gamma distribution with a free origin (Pearson's type III), of which
the normal distribution is the limit.

The estimate is held to what is there: of all scores, normal and anomalous together, no more than the asked share may
need to lie above a threshold. Where the fitted tail is too long for that, the quantile of all scores stands in.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from firstsight.clustering.thresholds import checked_scores
from firstsight.errors import FirstsightError

BULK_OF_CELLS = (0.1, 0.8)
"""Quantiles between which nearly all cells are taken to be normal: up to a fifth of a collection may be anomalous."""

BULK_OF_TILES = (0.1, 0.5)
"""The same for the largest scores of tiles: an anomaly reaches a larger share of tiles than of cells."""

TILES = 4
"""An image is cut into so many rows and columns of tiles."""

QUANTILES = 40
SHAPES = np.geomspace(0.5, 200.0, 80)
"""Shapes of the gamma distribution that are tried, from steeper than exponential to hardly skewed."""


@dataclass(frozen=True)
class NullDistribution:
    """Distribution of normal scores: ``origin + scale * g``, where g has the gamma distribution of this ``shape``."""

    shape: float
    origin: float
    scale: float

    def exceeded_by(self, share: float) -> float:
        """The score that this share of normal scores exceeds."""
        return float(self.origin + self.scale * stats.gamma.isf(share, self.shape))


def fit_null(scores: NDArray[np.floating]) -> NullDistribution:
    """Estimate the distribution of the normal scores of cells from all scores.

    Of all shapes the one whose quantiles lie best on a straight line with those of the scores, by least squares on
    evenly spaced shares of the bulk ("quantile matching"); the line is origin and scale.

    Args:
        scores: (n,) finite scores, at least one.

    Returns:
        The distribution. Where all scores of the bulk are equal, its scale is 0.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    shares = np.linspace(*BULK_OF_CELLS, QUANTILES)
    found = np.quantile(checked_scores(scores, "scores"), shares)
    origins, scales, errors = _lines(found, stats.gamma.ppf(shares[:, None], SHAPES))
    best = int(errors.argmin())
    return NullDistribution(shape=float(SHAPES[best]), origin=float(origins[best]), scale=float(scales[best]))


def pixel_threshold(scores: NDArray[np.floating], rate: float) -> float:
    """The score that about this share of normal cells exceeds.

    Args:
        scores: (n,) finite scores of a collection's cells, or of a random sample of them.
        rate: false alarms that are accepted, as a share of normal cells, in (0, 1).

    Returns:
        The threshold: at most the quantile of all scores, so that at least ``rate`` of them lies above it (of equal
        scores none does).

    Raises:
        FirstsightError: there are no scores, one is not finite, or the rate is not within (0, 1).
    """
    _check_rate(rate)
    return min(fit_null(scores).exceeded_by(rate), float(np.quantile(np.asarray(scores, np.float64), 1 - rate)))


def image_threshold(tiles: NDArray[np.floating], image_maxima: NDArray[np.floating], rate: float) -> float:
    """The score that the largest score of about this share of normal images exceeds.

    Most images of a collection may be anomalous, but most tiles of images are not. The largest of many scores follows
    Gumbel's distribution (Fisher and Tippett 1928), here fitted to the bulk of the tiles' largest scores; the largest
    score of k normal tiles follows it too, ``scale * log(k)`` further out. That takes the tiles of an image to be
    independent: they are alike, which makes false alarms rarer than asked for, not more frequent.

    Args:
        tiles: (n,) largest score of every tile of every image, see `tile_maxima`.
        image_maxima: (N,) largest score of every image.
        rate: false alarms that are accepted, as a share of normal images, in (0, 1).

    Raises:
        FirstsightError: there are no scores, one is not finite, or the rate is not within (0, 1).
    """
    _check_rate(rate)
    image_maxima = checked_scores(image_maxima, "image maxima")
    shares = np.linspace(*BULK_OF_TILES, QUANTILES)
    found = np.quantile(checked_scores(tiles, "largest scores of tiles"), shares)
    origins, scales, _ = _lines(found, -np.log(-np.log(shares))[:, None])
    tiles_per_image = len(tiles) / len(image_maxima)
    fitted = origins[0] + scales[0] * (np.log(tiles_per_image) - np.log(-np.log1p(-rate)))
    return min(float(fitted), float(np.quantile(image_maxima, 1 - rate)))


def tile_maxima(anomaly_map: NDArray[np.floating], tiles: int = TILES) -> NDArray[np.floating]:
    """Largest score of every tile of a map.

    Args:
        anomaly_map: (h, w), at least one cell.
        tiles: rows and columns of tiles; a map with fewer cells along an axis has a tile a cell there.

    Returns:
        (k,) with k at most ``tiles`` squared; tiles differ by at most one cell in height and width.
    """
    height, width = anomaly_map.shape
    rows, columns = (np.arange(min(tiles, n)) * n // min(tiles, n) for n in (height, width))
    found: NDArray[np.floating] = np.maximum.reduceat(np.maximum.reduceat(anomaly_map, rows, 0), columns, 1).ravel()
    return found


def _lines(
    found: NDArray[np.float64], expected: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Straight lines by least squares through quantiles (n,) found against (n, m) expected.

    Returns:
        Origin, scale and sum of squared errors of each, (m,). Quantiles that are all equal have scale 0 exactly.
    """
    middle = expected.mean(axis=0)
    centre = found[0] if found[0] == found[-1] else found.mean()
    scales = (found - centre) @ (expected - middle) / ((expected - middle) ** 2).sum(axis=0)
    errors = ((found[:, None] - centre - scales * (expected - middle)) ** 2).sum(axis=0)
    return centre - scales * middle, scales, errors


def _check_rate(rate: float) -> None:
    if not 0 < rate < 1:
        raise FirstsightError(f"the rate of false alarms is {rate}, not within (0, 1)")
