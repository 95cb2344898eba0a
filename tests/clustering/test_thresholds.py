import numpy as np
import pytest

from firstsight.clustering.thresholds import anomaly_threshold, otsu_threshold, robust_deviation
from firstsight.errors import FirstsightError
from oracles.thresholds import slow_otsu, slow_threshold


@pytest.mark.parametrize("count", [2, 3, 10, 101, 1000])
@pytest.mark.parametrize("images", [0, 1, 9, 10, 33])
def test_threshold_equals_the_definition(count: int, images: int) -> None:
    rng = np.random.default_rng([count, images])
    scores = rng.gamma(3, 0.01, count)
    maxima = rng.gamma(9, 0.02, images)
    given = maxima if images else None
    assert anomaly_threshold(scores, image_maxima=given) == pytest.approx(slow_threshold(list(scores), list(maxima)))


def test_the_order_of_scores_and_their_precision_do_not_matter() -> None:
    scores = np.random.default_rng(0).gamma(3, 0.01, 500).astype(np.float32)
    assert anomaly_threshold(scores[::-1]) == anomaly_threshold(scores) == anomaly_threshold(scores.astype(np.float64))


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_threshold_moves_with_the_scale_and_the_zero_of_the_scores(factor: float) -> None:
    scores = np.random.default_rng(1).gamma(3, 0.01, 500)
    assert anomaly_threshold(factor * (scores + 2)) == pytest.approx(factor * (anomaly_threshold(scores) + 2))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.03, 0.15])
def test_anomalous_cells_lie_above_and_normal_cells_below(share: float) -> None:
    rng = np.random.default_rng(2)
    normal = rng.normal(1, 0.1, 20_000)
    anomalous = rng.normal(3, 0.2, round(share * 20_000))
    threshold = anomaly_threshold(np.concatenate([normal, anomalous]))
    assert (normal > threshold).mean() < 1e-3
    assert (anomalous > threshold).all()


def test_a_tenth_of_the_images_stays_below() -> None:
    rng = np.random.default_rng(3)
    maps = rng.gamma(2, 1, (40, 2000))
    maxima = maps.max(axis=1)
    assert (maxima > anomaly_threshold(maps.ravel())).all()
    assert (maxima > anomaly_threshold(maps.ravel(), image_maxima=maxima)).mean() == 0.9


@pytest.mark.parametrize("scores", [[0.25], [0.25, 0.25], [0.0] * 50, [-3.0] * 7])
def test_equal_scores_are_their_own_threshold(scores: list[float]) -> None:
    assert anomaly_threshold(np.array(scores)) == scores[0]
    assert robust_deviation(np.array(scores)) == 0


def test_mostly_equal_scores_still_have_a_deviation() -> None:
    scores = np.array([0.0] * 90 + [1.0] * 10)
    assert robust_deviation(scores) == pytest.approx(0.12533)
    assert anomaly_threshold(scores) == pytest.approx(4 * 0.12533)


def test_the_deviation_of_normal_scores_is_their_standard_deviation() -> None:
    assert robust_deviation(np.random.default_rng(4).normal(5, 2, 100_000)) == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize(
    ("scores", "maxima", "message"),
    [
        ([], None, "no scores"),
        ([1.0, np.nan], None, "1 values that are not finite"),
        ([1.0, np.inf, -np.inf], None, "2 values that are not finite"),
        ([[1.0, 2.0]], None, r"\(1, 2\)"),
        ([1.0, 2.0], [], "no image maxima"),
        ([1.0, 2.0], [np.nan], "image maxima"),
    ],
)
def test_bad_values_are_named(scores: list[float | list[float]], maxima: list[float] | None, message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        anomaly_threshold(np.array(scores), image_maxima=None if maxima is None else np.array(maxima))


def test_otsu_parts_the_scores_where_the_classes_vary_least() -> None:
    rng = np.random.default_rng(6)
    scores = np.concatenate([rng.normal(1, 0.1, 300), rng.normal(3, 0.2, 40)])
    step = np.ptp(scores) / 256
    lowest, highest = slow_otsu(list(scores))
    assert lowest - step <= otsu_threshold(scores) <= highest + step
    assert otsu_threshold(np.full(9, 0.1)) == 0.1
    with pytest.raises(FirstsightError, match="1 values that are not finite"):
        otsu_threshold(np.array([1.0, np.nan]))
