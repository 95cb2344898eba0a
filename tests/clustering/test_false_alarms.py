import numpy as np
import pytest
from scipy import stats

from firstsight.clustering.false_alarms import (
    FEWEST_IMAGES,
    fit_null,
    image_p_values,
    image_threshold,
    pixel_threshold,
    tile_maxima,
)
from firstsight.errors import FirstsightError
from oracles.false_alarms import slow_image_p_values, slow_image_threshold, slow_null, slow_tile_maxima

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


@pytest.mark.parametrize("images", [1, 3, 60])
@pytest.mark.parametrize("rate", [0.01, 0.3])
def test_the_threshold_of_images_equals_the_definition(images: int, rate: float) -> None:
    tiles = np.random.default_rng(images).gumbel(5, 2, (images, 16))
    maxima = tiles.max(axis=1)
    expected = slow_image_threshold(list(tiles.ravel()), list(maxima), rate)
    assert image_threshold(tiles.ravel(), maxima, rate) == pytest.approx(expected)


def test_more_false_alarms_are_a_lower_threshold() -> None:
    scores = piled("gamma", 0.02)
    thresholds = [pixel_threshold(scores, rate) for rate in (0.0005, 0.001, 0.01, 0.1, 0.5)]
    assert thresholds == sorted(thresholds, reverse=True)
    assert all(value <= np.quantile(scores, 0.9995) for value in thresholds)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_the_threshold_moves_with_the_scale_and_the_zero_of_the_scores(factor: float) -> None:
    scores = np.random.default_rng(1).gamma(3, 1, 900)
    tiles, maxima = scores[:800], scores[:800].reshape(50, 16).max(axis=1)
    for found in (pixel_threshold, lambda values, rate: image_threshold(values[:800], factor * (maxima + 2), rate)):
        one = pixel_threshold(scores, 0.01) if found is pixel_threshold else image_threshold(tiles, maxima, 0.01)
        assert found(factor * (scores + 2), 0.01) == pytest.approx(factor * (one + 2))


@pytest.mark.parametrize("scores", [[0.25], [0.1] * 3, [0.1] * 1000, [-3.0] * 7])
def test_equal_scores_are_their_own_threshold(scores: list[float]) -> None:
    values = np.array(scores, np.float32)
    assert pixel_threshold(values, 0.01) == values[0]
    assert image_threshold(values, values[:1], 0.01) == values[0]


def test_the_order_of_scores_does_not_matter() -> None:
    scores = piled("normal", 0.02, 999)
    assert pixel_threshold(scores[::-1], 0.01) == pytest.approx(pixel_threshold(scores, 0.01), rel=1e-12)


@pytest.mark.parametrize("rate", [0.02, 0.1])
@pytest.mark.parametrize("anomalous", [0, 50, 150])
def test_few_normal_images_have_a_score_above_even_where_most_are_anomalous(rate: float, anomalous: int) -> None:
    rng = np.random.default_rng(anomalous)
    maps = rng.gamma(3, 1, (200, 32, 32))
    maps[:anomalous, 8:20, 3:9] += 15
    tiles = np.concatenate([tile_maxima(each) for each in maps])
    threshold = image_threshold(tiles, maps.max(axis=(1, 2)), rate)
    fresh = rng.gamma(3, 1, (2000, 32, 32)).max(axis=(1, 2))
    achieved = (fresh > threshold).mean()
    assert achieved < rate * 1.8
    assert anomalous > 100 or achieved > rate / 4
    assert (maps[:anomalous].max(axis=(1, 2)) > threshold).all()


def test_a_single_image_and_a_map_of_one_cell_have_a_threshold() -> None:
    one = np.random.default_rng(0).gamma(3, 1, (9, 7))
    assert one.min() < image_threshold(tile_maxima(one), np.array([one.max()]), 0.01) <= one.max()
    assert pixel_threshold(one.ravel(), 0.01) <= one.max()
    assert image_threshold(tile_maxima(one[:1, :1]), one[0, :1], 0.01) == one[0, 0]


@pytest.mark.parametrize("lowest", [-0.4, 0.1])
@pytest.mark.parametrize("count", [FEWEST_IMAGES, 11, 60])
def test_p_values_equal_the_definition(count: int, lowest: float) -> None:
    scores = np.random.default_rng(count).gamma(3, 1, count).round(1) + lowest
    np.testing.assert_allclose(image_p_values(scores), slow_image_p_values(scores.tolist()), atol=1e-9)


@pytest.mark.parametrize("family", ["normal", "lognormal", "gamma", "gumbel"])
@pytest.mark.parametrize("count", [20, 60, 400])
def test_about_as_many_normal_images_as_asked_for_have_a_small_p_value(family: str, count: int) -> None:
    rng = np.random.default_rng(count)
    found = [image_p_values(FAMILIES[family].rvs(count, random_state=rng)) for _ in range(200)]
    for rate in (0.05, 0.2):
        assert rate / 3 < np.mean([(values < rate).mean() for values in found]) < 3 * rate


@pytest.mark.parametrize("anomalous", [5, 20, 45])
def test_anomalous_images_have_small_p_values_and_normal_ones_hardly_ever(anomalous: int) -> None:
    rng = np.random.default_rng(anomalous)
    scores = np.append(rng.normal(10, 1, 60), rng.normal(30, 3, anomalous))
    p_values = image_p_values(scores)
    assert (p_values[60:] < 0.05).all()
    assert (p_values[:60] < 0.05).mean() < 0.15


def test_p_values_hang_on_the_order_of_scores_and_on_nothing_else() -> None:
    scores = np.random.default_rng(0).gamma(3, 1, 50)
    p_values = image_p_values(scores)
    assert (np.diff(p_values[scores.argsort()]) <= 0).all()
    np.testing.assert_allclose(image_p_values(scores[::-1]), p_values[::-1])
    np.testing.assert_allclose(image_p_values(1e-6 * scores), p_values)


def test_of_equal_scores_none_stands_out() -> None:
    assert image_p_values(np.full(12, 0.25)).tolist() == [1.0] * 12
    one = image_p_values(np.append(np.full(12, 0.25), 0.5))
    assert one.tolist() == [1.0] * 12 + [0.0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 5), (4, 4), (17, 30)])
def test_tiles_cover_the_map(shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(5).random(shape).astype(np.float32)
    found = tile_maxima(scores)
    assert found.tolist() == slow_tile_maxima(scores.tolist(), 4)
    assert found.max() == scores.max()


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, np.nan])
def test_a_rate_that_is_none_is_named(rate: float) -> None:
    with pytest.raises(FirstsightError, match=r"rate of false alarms is .*, not within"):
        pixel_threshold(np.arange(9.0), rate)
    with pytest.raises(FirstsightError, match=r"rate of false alarms is"):
        image_threshold(np.arange(9.0), np.arange(3.0), rate)


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(FirstsightError, match="1 values that are not finite"):
        pixel_threshold(np.array([1.0, np.nan]), 0.01)
    with pytest.raises(FirstsightError, match="no scores"):
        pixel_threshold(np.array([]), 0.01)
    with pytest.raises(FirstsightError, match="image maxima hold 1"):
        image_threshold(np.arange(4.0), np.array([np.inf]), 0.01)
    with pytest.raises(FirstsightError, match="image scores hold 1"):
        image_p_values(np.array([np.nan, *range(12)]))
    with pytest.raises(FirstsightError, match="9 images have no p-values: these need at least 10"):
        image_p_values(np.arange(9.0))
