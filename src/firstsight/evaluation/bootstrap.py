"""How certain a metric is: intervals from resampled images."""

import math

import numpy as np
from numpy.typing import ArrayLike

RESAMPLES = 1_000
CONFIDENCE = 0.95


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
    tail = (1 - CONFIDENCE) / 2
    return float(np.quantile(found, tail)), float(np.quantile(found, 1 - tail))
