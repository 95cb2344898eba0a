"""How certain a metric is: intervals from resampled images."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstsight.evaluation import localization
from firstsight.evaluation.localization_statistics import LocalizationStatistics, Part
from firstsight.evaluation.resampled_statistics import (
    resampled_counts_of,
    resampled_images,
    resampled_statistics,
    score_bins,
)

RESAMPLES = 1_000
RESAMPLES_OF_PIXELS = 500
"""Fewer, since the counts of all of them (8 MB) are held for several parts of a collection at a time."""
CONFIDENCE = 0.95

RESAMPLED = {
    "pro": localization.pro_from_statistics,
    "auroc": localization.auroc_from_statistics,
    "average_precision": localization.average_precision_from_statistics,
    "f1_max": localization.f1_max_from_statistics,
}
"""The metrics of pixels that have an interval, by their names in the table `metrics`."""


def image_auroc_interval(anomalous: ArrayLike, scores: ArrayLike, *, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of `firstsight.evaluation.localization.image_auroc_from_scores` over images.

    Percentiles of 1,000 resamples (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 13.3).
    Anomalous and normal images are resampled apart, each as many as there are, so that both always occur.

    Args:
        anomalous: (N,) bool. scores: (N,), finite, higher is more anomalous.
        seed: of the resamples.

    Returns:
        low, high: in [0, 1]; nan with fewer than two anomalous or two normal images.
    """
    labels, values = np.asarray(anomalous, dtype=bool), np.asarray(scores)
    distinct, place = np.unique(values, return_inverse=True)
    high, low = place[labels], place[~labels]
    if min(len(high), len(low)) < 2:
        return math.nan, math.nan
    generator = np.random.default_rng(seed)
    found = np.empty(RESAMPLES)
    for index in range(RESAMPLES):
        normal = np.bincount(generator.choice(low, len(low)), minlength=len(distinct))
        below = np.cumsum(normal) - normal / 2
        found[index] = below[generator.choice(high, len(high))].mean() / len(low)
    return _percentiles(found)


def localization_intervals(
    parts: Sequence[Part],
    statistics: LocalizationStatistics,
    *,
    crop: float = 0.0,
    resamples: int = RESAMPLES_OF_PIXELS,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """The 95 % intervals of the metrics of pixels over images, by name (`RESAMPLED`), as in `image_auroc_interval`.

    Images are resampled as wholes, since the pixels of one image are not independent. Their pixels are counted in bins
    of scores (`firstsight.evaluation.resampled_statistics`), in a third pass over the images.

    Args:
        parts, crop: as in `firstsight.evaluation.localization_statistics.localization_statistics_of`.
        statistics: its result for them.
        resamples: number of sets of images.
        seed: of the resamples.

    Returns:
        low, high of each metric: in [0, 1]; nan with fewer than two anomalous images.
    """
    if np.count_nonzero(statistics.image_anomalous) < 2:
        return dict.fromkeys(RESAMPLED, (math.nan, math.nan))
    times = resampled_images(statistics.image_anomalous, resamples, seed)
    counts = resampled_counts_of(parts, score_bins(statistics), times, crop=crop)
    sets = [resampled_statistics(row) for row in counts]
    return {name: _percentiles(np.array([metric(each) for each in sets])) for name, metric in RESAMPLED.items()}


def _percentiles(found: NDArray[np.float64]) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    return float(np.quantile(found, tail)), float(np.quantile(found, 1 - tail))
