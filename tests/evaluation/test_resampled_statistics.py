"""Metrics of resampled images against the same metrics of the images themselves, each as often as it was drawn."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.evaluation.bootstrap import RESAMPLED, localization_intervals
from firstsight.evaluation.localization_statistics import Part, localization_statistics, localization_statistics_of
from firstsight.evaluation.resampled_statistics import (
    resampled_counts,
    resampled_counts_of,
    resampled_images,
    resampled_statistics,
    score_bins,
)
from oracles import localization as oracle

ORACLES: dict[str, Callable[..., float]] = {
    "pro": partial(oracle.pro, limit=0.3),
    "auroc": oracle.auroc,
    "average_precision": oracle.average_precision,
    "f1_max": oracle.f1_max,
}
Images = tuple[list[NDArray[Any]], list[NDArray[Any]]]


def images(seed: int, n_images: int = 8, levels: int = 30, side: int = 9) -> Images:
    """Images of several sizes, most with anomalous regions, with few distinct scores."""
    generator = np.random.default_rng(seed)
    masks, maps = [], []
    for number in range(n_images):
        shape = (side + number, side + 3)
        mask = generator.random(shape) < (0.12 if number % 3 else 0.0)
        scores = generator.integers(0, levels, shape) + mask * generator.integers(0, levels, shape)
        masks.append(mask)
        maps.append(scores.astype(np.float32))
    return masks, maps


def drawn(images: Images, times: NDArray[Any]) -> Images:
    places = np.repeat(np.arange(len(times)), times)
    return [images[0][place] for place in places], [images[1][place] for place in places]


@pytest.mark.parametrize("seed", range(3))
def test_where_each_score_has_a_bin_every_set_has_its_exact_metrics(seed: int) -> None:
    masks, maps = images(seed)
    statistics = localization_statistics(masks, maps)
    times = resampled_images(statistics.image_anomalous, 6, seed)
    counts = resampled_counts(masks, maps, score_bins(statistics), times)
    for row, of_set in zip(counts, times, strict=True):
        found = resampled_statistics(row)
        for name, metric in RESAMPLED.items():
            assert metric(found) == pytest.approx(ORACLES[name](*drawn((masks, maps), of_set)), abs=1e-6), name


@pytest.mark.parametrize("most", [50, 200])
def test_bins_change_a_metric_by_less_than_their_share(most: int) -> None:
    generator = np.random.default_rng(1)
    masks, maps = images(0, 12, side=40)
    maps = [values + generator.random(values.shape).astype(np.float32) for values in maps]
    statistics = localization_statistics(masks, maps)
    bins = score_bins(statistics, most)
    assert len(bins.low) <= most < len(statistics.scores)
    assert (bins.low[1:] > bins.high[:-1]).all()
    times = np.concatenate([np.ones((1, 12), np.uint8), resampled_images(statistics.image_anomalous, 3, 0)])
    for row, of_set in zip(resampled_counts(masks, maps, bins, times), times, strict=True):
        found, exact = resampled_statistics(row), localization_statistics(*drawn((masks, maps), of_set))
        assert (found.n_regions, found.n_normal, found.n_anomalous) == (
            exact.n_regions,
            exact.n_normal,
            exact.n_anomalous,
        )
        for metric in RESAMPLED.values():
            assert metric(found) == pytest.approx(metric(exact), abs=2 / most)


def test_the_cut_into_parts_does_not_show_and_ignored_pixels_do_not_count() -> None:
    masks, whole = images(5)
    generator = np.random.default_rng(5)
    maps = [np.ma.array(values, mask=generator.random(values.shape) < 0.2) for values in whole]
    statistics = localization_statistics(masks, maps, crop=0.1)
    bins, times = score_bins(statistics), resampled_images(statistics.image_anomalous, 20, 0)
    together = resampled_counts(masks, maps, bins, times, crop=0.1)
    parts = [
        Part(end - start, partial(lambda start, end: (masks[start:end], maps[start:end]), start, end))
        for start, end in ((0, 1), (1, 6), (6, 8))
    ]
    assert np.array_equal(resampled_counts_of(parts, bins, times, crop=0.1), together)
    once = resampled_statistics(resampled_counts(masks, maps, bins, np.ones((1, 8), np.uint8), crop=0.1)[0])
    for metric in RESAMPLED.values():
        assert metric(once) == pytest.approx(metric(statistics), abs=1e-8)


def test_anomalous_and_normal_images_are_drawn_apart() -> None:
    anomalous = np.arange(9) % 3 > 0
    times = resampled_images(anomalous, 400, 0)
    assert (times[:, anomalous].sum(axis=1) == 6).all()
    assert (times[:, ~anomalous].sum(axis=1) == 3).all()
    assert times.mean(axis=0) == pytest.approx(np.ones(9), abs=0.2)
    assert np.array_equal(times, resampled_images(anomalous, 400, 0))
    assert not np.array_equal(times, resampled_images(anomalous, 400, 1))
    assert (resampled_images(np.ones(4, bool), 5, 0).sum(axis=1) == 4).all()


def test_intervals_hold_the_metric_and_are_those_of_the_slow_way() -> None:
    masks, maps = images(2, 10)
    parts = [Part(10, lambda: (masks, maps))]
    statistics = localization_statistics_of(parts)
    found = localization_intervals(parts, statistics, resamples=60, seed=4)
    sets = [drawn((masks, maps), row) for row in resampled_images(statistics.image_anomalous, 60, 4)]
    for name, (low, high) in found.items():
        values = [ORACLES[name](*each) for each in sets]
        assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-6), name
        assert low <= RESAMPLED[name](statistics) <= high


def test_one_anomalous_image_says_nothing_of_others() -> None:
    masks, maps = images(2, 3)
    masks[2][:] = False
    parts = [Part(3, lambda: (masks, maps))]
    found = localization_intervals(parts, localization_statistics_of(parts))
    assert sorted(found) == sorted(RESAMPLED)
    assert all(math.isnan(bound) for interval in found.values() for bound in interval)
