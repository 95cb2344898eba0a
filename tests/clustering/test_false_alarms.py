import numpy as np
import pytest
from scipy import stats

from firstsight.clustering.false_alarms import fit_null, pixel_threshold
from firstsight.errors import FirstsightError
from oracles.false_alarms import slow_null

FAMILIES = {
    "normal": stats.norm(3, 0.5),
    "lognormal": stats.lognorm(0.4, scale=2),
    "gamma": stats.gamma(3, scale=0.1),
    "exponential": stats.expon(scale=5),
    "gumbel": stats.gumbel_r(),
}


def piled(family: str, share: float, count: int = 50_000, seed: int = 0) -> np.ndarray:
    """Scores of which this share lies where normal ones hardly ever do."""
    rng = np.random.default_rng(seed)
    scores = FAMILIES[family].rvs(count, random_state=rng)
    far = FAMILIES[family].isf(1e-3)
    scores[: round(share * count)] = far + (far - FAMILIES[family].median()) * rng.random(round(share * count))
    return scores


@pytest.mark.parametrize("rate", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_achieved_rate_is_near_the_one_asked_for_with_and_without_anomalies(family: str, rate: float) -> None:
    for share in (0.0, 0.005, 0.03):
        achieved = FAMILIES[family].sf(pixel_threshold(piled(family, share), rate))
        # What the anomalies take of the bulk makes the estimate shy; no more is promised far out in the tail.
        shy, bold = {0.001: (8.0, 3.0), 0.01: (3.5, 1.6), 0.05: (1.6, 1.2)}[rate]
        assert rate / shy < achieved < rate * bold, (share, achieved)


@pytest.mark.parametrize("family", FAMILIES)
def test_many_anomalies_do_not_raise_the_rate(family: str) -> None:
    for rate in (0.001, 0.01, 0.05):
        assert FAMILIES[family].sf(pixel_threshold(piled(family, 0.12), rate)) < rate * 1.1


@pytest.mark.parametrize("count", [2, 7, 500])
def test_the_null_is_the_best_of_all_lines(count: int) -> None:
    scores = np.random.default_rng(count).gamma(2, 1, count)
    null = fit_null(scores)
    assert (null.shape, null.origin, null.scale) == pytest.approx(slow_null(list(scores)), rel=1e-6, abs=1e-9)


def test_more_false_alarms_are_a_lower_threshold() -> None:
    scores = piled("gamma", 0.02)
    thresholds = [pixel_threshold(scores, rate) for rate in (0.0005, 0.001, 0.01, 0.1, 0.5)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(value <= np.quantile(scores, 0.9995) for value in thresholds)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_threshold_moves_with_the_scale_and_the_zero_of_the_scores(factor: float) -> None:
    scores = np.random.default_rng(1).gamma(3, 1, 900)
    assert pixel_threshold(factor * (scores + 2), 0.01) == pytest.approx(factor * (pixel_threshold(scores, 0.01) + 2))


@pytest.mark.parametrize("scores", [[0.25], [0.1] * 3, [0.1] * 1000, [-3.0] * 7])
def test_equal_scores_are_their_own_threshold(scores: list[float]) -> None:
    values = np.array(scores, np.float32)
    assert pixel_threshold(values, 0.01) == values[0]


def test_the_order_of_scores_does_not_matter() -> None:
    scores = piled("normal", 0.02, 999)
    assert pixel_threshold(scores[::-1], 0.01) == pytest.approx(pixel_threshold(scores, 0.01), rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, np.nan])
def test_a_rate_that_is_none_is_named(rate: float) -> None:
    with pytest.raises(FirstsightError, match=r"rate of false alarms is .*, not within"):
        pixel_threshold(np.arange(9.0), rate)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(FirstsightError, match="1 values that are not finite"):
        pixel_threshold(np.array([1.0, np.nan]), 0.01)
    with pytest.raises(FirstsightError, match="no scores"):
        pixel_threshold(np.array([]), 0.01)
