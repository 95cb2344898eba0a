"""Intervals of metrics over images, against SciPy's bootstrap and by how often they hold."""

import math

import numpy as np
import pytest
from scipy import stats

from firstsight.evaluation.bootstrap import image_auroc_interval
from firstsight.evaluation.localization import image_auroc_from_scores


@pytest.mark.parametrize(("n_anomalous", "n_normal", "levels"), [(12, 30, 1000), (40, 15, 1000), (20, 20, 6)])
def test_it_is_the_percentile_interval_of_scipy(n_anomalous: int, n_normal: int, levels: int) -> None:
    generator = np.random.default_rng(n_anomalous)
    high = generator.integers(levels // 4, levels, n_anomalous).astype(float)
    low = generator.integers(0, 3 * levels // 4, n_normal).astype(float)

    def auroc(high: np.ndarray, low: np.ndarray) -> float:
        return float(((high[:, None] > low).mean() + (high[:, None] >= low).mean()) / 2)

    expected = stats.bootstrap(
        (high, low), auroc, n_resamples=2000, vectorized=False, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    labels = np.repeat([True, False], [n_anomalous, n_normal])
    found = image_auroc_interval(labels, np.concatenate([high, low]))
    assert found == pytest.approx((expected.low, expected.high), abs=0.025)
    assert found[0] <= image_auroc_from_scores(labels, np.concatenate([high, low])) <= found[1]


def test_images_that_are_told_apart_leave_no_doubt_and_few_images_no_interval() -> None:
    assert image_auroc_interval([True, True, False, False], [3, 4, 1, 2]) == (1.0, 1.0)
    assert all(math.isnan(bound) for bound in image_auroc_interval([True, False, False], [3, 1, 2]))
    assert all(math.isnan(bound) for bound in image_auroc_interval([], []))


def test_the_same_seed_gives_the_same_interval_whatever_the_order() -> None:
    scores = np.random.default_rng(0).random(50)
    labels = scores + np.random.default_rng(1).normal(0, 0.5, 50) > 0.5
    assert image_auroc_interval(labels, scores) == image_auroc_interval(labels, scores)
    assert image_auroc_interval(labels, scores) != image_auroc_interval(labels, scores, seed=1)
