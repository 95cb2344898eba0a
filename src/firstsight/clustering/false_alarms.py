"""A threshold that a stated share of normal pixels exceeds, from a collection's own scores.

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
from scipy import stats

from firstsight.clustering.thresholds import checked_scores
from firstsight.errors import FirstsightError

BULK_OF_CELLS = (0.1, 0.8)
"""Quantiles between which nearly all cells are taken to be normal: up to a fifth of a collection may be anomalous."""

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
    origins, scales, errors = fit_lines(quantiles, stats.gamma.ppf(shares[:, None], SHAPES))
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
    if not 0 < rate < 1:
        raise FirstsightError(f"the rate of false alarms is {rate}, not within (0, 1)")
    return min(fit_null(scores).exceeded_by(rate), float(np.quantile(np.asarray(scores, np.float64), 1 - rate)))


def fit_lines(
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
