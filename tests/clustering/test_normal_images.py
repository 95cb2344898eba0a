import json
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from firstsight.clustering.normal_images import (
    FEWEST_IMAGES,
    SCORES_KEPT,
    MapStatistics,
    NormalImages,
    fit_normal_images,
    tile_maxima,
)
from firstsight.errors import FirstsightError
from oracles.standing_out import SlowImages, slow_tile_maxima

Maps = NDArray[np.float64]


def statistics(maps: Maps) -> MapStatistics:
    return MapStatistics.joined(map(MapStatistics.of, maps))


def textures(count: int, seed: int = 0, shape: tuple[int, int] = (32, 40)) -> Maps:
    """Maps as smooth as those of detectors."""
    noise = np.random.default_rng(seed).gamma(6, 1, (count, *shape))
    return np.stack([gaussian_filter(each, 1) for each in noise])


def p_values(maps: Maps) -> NDArray[np.float64]:
    found = statistics(maps)
    return fit_normal_images(found).p_values(found)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 5), (8, 8), (17, 30), (64, 7)])
def test_tiles_cover_the_map(shape: tuple[int, int]) -> None:
    scores = np.random.default_rng(5).random(shape).astype(np.float32)
    found = tile_maxima(scores)
    assert found.tolist() == slow_tile_maxima(scores.tolist())
    assert found.max() == scores.max()


@pytest.mark.parametrize("count", [1, 3, FEWEST_IMAGES, 23])
@pytest.mark.parametrize("shape", [(9, 8), (5, 31)])
def test_p_values_equal_the_definition(count: int, shape: tuple[int, int]) -> None:
    maps = textures(count, count, shape)
    maps[0, 2:4, 1:4] *= 2
    maps[:, :2, -2:] += 3
    slow = SlowImages(maps.tolist())
    np.testing.assert_allclose(p_values(maps), [slow.p_value(image) for image in range(count)], rtol=1e-6)


@pytest.mark.parametrize("count", [1, 5, 12, 60])
def test_few_normal_images_have_a_small_p_value(count: int) -> None:
    found = np.concatenate([p_values(textures(count, seed)) for seed in range(max(4, 120 // count))])
    for rate in (0.05, 0.2):
        assert (found < rate).mean() < 3 * rate
        assert count < FEWEST_IMAGES or (found < rate).mean() > rate / 3


@pytest.mark.parametrize("anomalous", [1, 10, 30, 40])
def test_anomalous_images_have_small_p_values_even_where_there_are_no_others(anomalous: int) -> None:
    maps = textures(40, anomalous)
    rng = np.random.default_rng(anomalous)
    for anomaly_map in maps[:anomalous]:
        y, x = rng.integers(0, 24, 2)
        anomaly_map[y : y + 6, x : x + 5] += 15
    found = p_values(maps)
    assert (found[:anomalous] < 0.05).all()
    assert not anomalous < 40 or (found[anomalous:] < 0.05).mean() < 0.15


def test_a_single_image_tells_what_stands_out_in_it() -> None:
    maps = textures(1)
    assert p_values(maps)[0] > 0.05
    maps[0, 4:9, 30:34] += 15
    assert p_values(maps)[0] < 0.001


def test_an_image_that_is_anomalous_as_a_whole_stands_out_between_the_others() -> None:
    maps = textures(30)
    maps[3] *= 2
    assert p_values(maps)[3] < 0.01
    assert p_values(maps[3:4])[0] > 0.05, "no part of it stands out"


def test_what_all_images_share_at_one_place_is_their_frame() -> None:
    maps = textures(20)
    maps[:, :, -5:] += 12
    found = statistics(maps)
    normal = fit_normal_images(found)
    frame = np.array(normal.frame)
    assert (frame[:, -1] > 0.3).all()
    assert np.median(frame[:, :-1]) == 0
    assert (normal.p_values(found) < 0.05).mean() < 0.15
    lowered = normal.without_frame(maps[0].astype(np.float32))
    assert lowered[:, -5:].max() < 1.3 * lowered[:, :-5].max()
    assert (p_values(maps[: FEWEST_IMAGES - 1]) < 0.05).all(), "a few images do not tell a frame from anomalies"


def test_p_values_move_neither_with_the_units_nor_with_the_order() -> None:
    maps = textures(12)
    maps[4, 3:9, 3:9] += 9
    found = p_values(maps)
    np.testing.assert_allclose(p_values(1e-6 * maps), found)
    np.testing.assert_allclose(p_values(maps[::-1]), found[::-1])
    # Maps with negative scores are compared by differences.
    shifted = p_values(maps - 100)
    np.testing.assert_allclose(p_values(7 * maps - 700), shifted)
    assert shifted.argmin() == 4


@pytest.mark.parametrize("count", [1, 12])
def test_of_equal_maps_none_stands_out(count: int) -> None:
    assert p_values(np.full((count, 16, 16), 0.25)).tolist() == [1.0] * count
    assert p_values(np.zeros((count, 16, 16))).tolist() == [1.0] * count
    assert fit_normal_images(statistics(np.ones((count, 9, 9)))).highest(np.ones(1), 0.05)[0] == np.inf


@pytest.mark.parametrize("count", [3, 20])
def test_new_images_are_held_against_known_ones_after_they_were_stored(count: int) -> None:
    normal = fit_normal_images(statistics(textures(count)))
    again = NormalImages.from_json(json.loads(json.dumps(asdict(normal))))
    fresh = textures(60, 1)
    assert again.p_values(statistics(fresh)).tolist() == normal.p_values(statistics(fresh)).tolist()
    assert (again.p_values(statistics(fresh)) < 0.05).mean() < 0.15
    fresh[:, 2:9, 2:9] += 15
    assert (again.p_values(statistics(fresh)) < 0.05).all()


def test_many_scores_are_kept_as_quantiles() -> None:
    few = statistics(textures(40, shape=(8, 8)))
    count = 3 * SCORES_KEPT
    scores = np.random.default_rng(0).gamma(9, 1, count)
    many = MapStatistics(
        np.repeat(few.tiles, count // 40, axis=0), np.repeat(few.medians, count // 40), scores[: count // 40 * 40]
    )
    normal = fit_normal_images(many)
    assert len(normal.ranked) == SCORES_KEPT
    found = normal.p_values(many)
    assert 0.05 / 3 < (found < 0.05).mean() < 0.15


def test_scores_that_are_not_finite_are_refused() -> None:
    maps = statistics(textures(3))
    for field in MapStatistics._fields:
        values = np.array(getattr(maps, field))
        values.flat[1] = np.nan
        with pytest.raises(FirstsightError, match="1 values that are not finite"):
            fit_normal_images(maps._replace(**{field: values}))
    with pytest.raises(FirstsightError, match="there are no medians of maps"):
        fit_normal_images(MapStatistics(np.zeros((0, 64)), np.zeros(0), np.zeros(0)))
