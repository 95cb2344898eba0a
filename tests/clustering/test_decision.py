import json
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from firstsight.clustering.decision import Decision, top_threshold
from firstsight.clustering.normal_images import MapStatistics, fit_normal_images
from firstsight.clustering.regions import find_image_regions
from firstsight.clustering.thresholds import otsu_threshold
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry

RATE = 0.05


def pile(count: int = 24) -> NDArray[np.float32]:
    """Maps, of which the first has a patch of high scores and the second is high everywhere."""
    noise = np.random.default_rng(3).gamma(6, 1, (count, 24, 32)).astype(np.float32)
    maps = np.stack([gaussian_filter(each, 1) for each in noise])
    maps[0, 8:12, 5:9] += 20
    maps[1] *= 2
    return maps


def decision_of(maps: NDArray[np.float32], rate: float | None = RATE) -> Decision:
    statistics = MapStatistics.joined(map(MapStatistics.of, maps))
    return Decision(9.5, rate, fit_normal_images(statistics))


@pytest.mark.parametrize("count", [2, 24])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
def test_images_below_the_rate_have_cells_above_their_threshold_and_no_others(count: int, rate: float) -> None:
    maps = pile(count)
    decision = decision_of(maps, rate)
    for anomaly_map in maps:
        call = decision.call(anomaly_map)
        assert call.p_value is not None
        assert call.anomalous == (call.p_value < rate) == bool((call.levelled > call.threshold).any())
        assert np.isfinite(call.threshold)
        assert call.outline <= call.threshold
        assert call.anomalous or call.outline == call.threshold


def test_the_cells_of_the_patch_are_found_and_of_an_odd_image_the_highest() -> None:
    decision = decision_of(pile())
    patch, whole = (decision.call(each) for each in pile()[:2])
    assert np.argwhere(patch.levelled > patch.threshold).min(axis=0).tolist() == [8, 5]
    assert np.argwhere(patch.levelled > patch.outline).min(axis=0).tolist() == [8, 5]
    assert (patch.levelled > patch.threshold).sum() == 16
    assert (whole.levelled > whole.threshold).mean() == pytest.approx(0.01, abs=0.003)


def test_a_threshold_holds_for_all_images_alike() -> None:
    maps = pile()
    plain, told = Decision(9.5).call(maps[0]), decision_of(maps, None).call(maps[0])
    assert (plain.p_value, plain.threshold, plain.outline, plain.anomalous) == (None, 9.5, 9.5, None)
    assert (told.threshold, told.outline, told.anomalous) == (9.5, 9.5, None)
    assert told.p_value is not None
    assert told.p_value < RATE
    np.testing.assert_array_equal(plain.levelled, maps[0])


def test_a_decision_is_read_from_what_the_threshold_stage_writes() -> None:
    decision = decision_of(pile())
    assert decision.normal
    stored = {"threshold": 9.5, "rate": RATE, "unit": "image", "normal": asdict(decision.normal)}
    again = Decision.from_json(json.loads(json.dumps(stored)))
    assert [again.call(each)[:3] for each in pile()] == [decision.call(each)[:3] for each in pile()]
    assert Decision.from_json({**stored, "unit": "pixel"}).rate is None
    assert Decision.from_json({"threshold": 1.0}) == Decision(1.0)
    assert Decision.from_json({**stored, "threshold": None, "normal": None}).rate is None, "no image has a map"
    otsu = Decision.from_json({**stored, "rate": None, "unit": None, "scores": "image"})
    assert (otsu.otsu, otsu.rate) == (True, None)
    assert not Decision.from_json({**stored, "scores": "collection"}).otsu


def test_every_image_may_have_otsus_threshold_of_its_own_scores() -> None:
    maps = pile()
    decision = Decision(9.5, otsu=True)
    for anomaly_map in maps:
        call = decision.call(anomaly_map)
        assert call.outline == call.threshold == otsu_threshold(anomaly_map.ravel())
        assert call.anomalous is None
    flat = decision.call(np.full((5, 6), 2.0, dtype=np.float32))
    assert not (flat.levelled > flat.threshold).any()


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, np.nan])
def test_a_rate_that_is_none_is_named(rate: float) -> None:
    with pytest.raises(FirstsightError, match="the rate of false alarms is"):
        decision_of(pile(), rate)
    with pytest.raises(FirstsightError, match="no normal images"):
        Decision(1.0, 0.05)


@pytest.mark.parametrize("stride", [1, 4])
def test_an_anomalous_image_has_a_region_and_a_normal_one_none(stride: int) -> None:
    maps = pile()
    # One cell alone: between its neighbours it covers less than a cell.
    maps[2, 7, 7] += 30
    maps[:, :, -3:] += 12
    decision = decision_of(maps)
    place = Geometry(24 * stride, 32 * stride, 24 * stride, 32 * stride, stride, (stride - 1) / 2)
    for number, cells in enumerate(maps):
        found = find_image_regions(cells, place, decision)
        assert found.p_value is not None
        assert bool(found.regions) == (found.p_value < RATE)
        assert number > 2 or found.regions
        assert found.labels.max() == len(found.regions)
        for region in found.regions:
            assert region.score_max == found.anomaly_map[found.labels == region.region].max(), (
                "without the frame's part"
            )


def test_the_top_threshold_is_just_below_the_highest_hundredth() -> None:
    anomaly_map = np.arange(400, dtype=np.float32).reshape(20, 20)
    assert (anomaly_map > top_threshold(anomaly_map)).sum() == pytest.approx(4, abs=1)
    assert (np.ones((3, 3), np.float32) > top_threshold(np.ones((3, 3), np.float32))).all()


def test_the_outline_reaches_down_where_the_highest_score_is_hardly_above_the_threshold() -> None:
    maps = pile()
    decision = decision_of(maps)
    height, width = np.mgrid[:24, :32]
    hill = np.exp(-((height - 12) ** 2 + (width - 16) ** 2) / 30)
    low, high = ((maps[5] * (1 + strength * hill)).astype(np.float32) for strength in (1.0, 9.0))
    for anomaly_map, reaches_down in ((low, True), (high, False)):
        call, median = decision.call(anomaly_map), np.median(anomaly_map)
        assert call.outline == pytest.approx(min(call.threshold, median * (call.levelled.max() / median) ** 0.6))
        assert (call.outline < call.threshold) == reaches_down
