from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.clustering.descriptors import (
    TEMPERATURES,
    blur_features,
    describe,
    describing_layers,
    join_layers,
    rarity,
    score_levels,
    smooth_descriptors,
    unit_cells,
)
from firstsight.clustering.normalisation import (
    normalise_descriptors,
)
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry
from oracles.descriptors import slow_blur, slow_describe


@pytest.mark.parametrize(
    ("shape", "stride", "sigma", "radius"),
    [((1, 8, 9), 8, 2.0, 3), ((3, 9, 5), 16, 1.0, 2), ((2, 7, 16), 4, 4.0, 6), ((2, 3, 4), 32, 0.5, 1)],
)
def test_the_blur_equals_the_definition(shape: tuple[int, ...], stride: int, sigma: float, radius: int) -> None:
    features = np.random.default_rng(shape).random(shape, dtype=np.float32)
    np.testing.assert_allclose(blur_features(features, stride), slow_blur(features, sigma, radius), rtol=1e-9)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (7, 4, 1)])
def test_cells_are_scaled_to_length_one(shape: tuple[int, ...]) -> None:
    features = np.random.default_rng(shape).normal(size=shape).astype(np.float32)
    features[:, 0, 0] = 0
    found = unit_cells(features)
    for y in range(shape[1]):
        for x in range(shape[2]):
            length = sum(float(value) ** 2 for value in features[:, y, x]) ** 0.5
            expected = features[:, y, x] / length if length else np.zeros(shape[0])
            np.testing.assert_allclose(found[:, y, x], expected, atol=1e-12)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 9), (2, 2, 3)])
@pytest.mark.parametrize("stride", [1, 16])
def test_maps_smaller_than_the_blur_stay_finite(shape: tuple[int, ...], stride: int) -> None:
    np.testing.assert_allclose(blur_features(np.ones(shape), stride), 1)


@pytest.mark.parametrize("cells", [1, 7, 40])
def test_a_descriptor_equals_the_definition(cells: int) -> None:
    rng = np.random.default_rng(cells)
    features, scores = rng.random((4, cells)), rng.random(cells)
    found = describe(features, scores, [0.2, 0.7])
    np.testing.assert_allclose(found, slow_describe(features, scores, [0.2, 0.7]), rtol=1e-9)
    whole = describe(features, scores, [0.3])
    np.testing.assert_allclose(whole, slow_describe(features, scores, [0.3]), rtol=1e-9)


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_a_map_without_variation_weighs_all_cells_alike(temperature: float) -> None:
    features = np.random.default_rng(1).random((3, 42))
    found = describe(features, np.full(42, 0.4, dtype=np.float32), [temperature])
    np.testing.assert_allclose(found[0], features.mean(axis=1))


def test_a_cold_softmax_takes_the_highest_cells_alone() -> None:
    features = np.random.default_rng(2).random((3, 42))
    scores = np.zeros(42)
    scores[[17, 29]] = 1
    found = describe(features, scores, [0.0, 1e-300, 1e-3])
    np.testing.assert_allclose(found, np.tile(features[:, [17, 29]].mean(axis=1), (3, 1)))


@pytest.mark.parametrize("change", [lambda x: 1000 * x, lambda x: 1e-8 * (x + 1), np.exp, lambda x: x**3])
def test_units_of_the_maps_do_not_matter(change: Callable[[np.ndarray], np.ndarray]) -> None:
    rng = np.random.default_rng(3)
    features = rng.random((3, 64))
    maps = rng.gamma(3, 1, (5, 64))
    first = describe(features, rarity(maps[0], score_levels(maps.ravel())), TEMPERATURES[0])
    changed = change(maps)
    again = describe(features, rarity(changed[0], score_levels(changed.ravel())), TEMPERATURES[0])
    np.testing.assert_allclose(again, first, rtol=1e-12)


def test_rarity_is_the_share_of_cells_that_score_as_high() -> None:
    scores = np.random.default_rng(4).normal(0, 1, 100_003)
    some = np.sort(scores)[::-1][[9, 99, 999, 9_999, 50_000, 100_002]]
    shares = (scores >= some[:, None]).mean(axis=1)
    levels = score_levels(scores)
    # Levels are 5 % apart.
    np.testing.assert_allclose(np.exp(-rarity(some, levels)), shares, rtol=0.05)
    outside = np.array([[scores.max() + 9, scores.min() - 9]])
    np.testing.assert_allclose(np.exp(-rarity(outside, levels)), [[1e-4, 1]])
    assert np.ptp(rarity(np.full(5, 0.7), score_levels(np.full(10, 0.7)))) == 0
    with pytest.raises(FirstsightError, match="not finite"):
        score_levels(np.array([1, np.nan]))


def test_few_cells_do_not_decide_alone() -> None:
    """Of an image without anomalies many cells count, however high a single one of them scores."""
    rng = np.random.default_rng(5)
    maps = rng.normal(0, 1, (20, 2500))
    maps[0, 7] = 1e9
    rare = rarity(maps, score_levels(maps.ravel()))
    for temperature, least in zip(TEMPERATURES[0], (500, 5), strict=True):
        weights = np.exp(rare / temperature)
        assert (weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)).min() > least


@pytest.mark.parametrize(
    ("strides", "chosen"),
    [
        ([4, 8, 16], ["b", "c"]),
        ([16, 8, 4], ["b", "a"]),
        ([4, 16], ["b"]),
        ([32], ["a"]),
        ([8, 8, 32], ["b", "c"]),
        ([2, 4], ["b"]),
    ],
)
def test_descriptors_are_of_the_layers_nearest_to_two_strides(strides: list[int], chosen: list[str]) -> None:
    places = {name: asdict(Geometry(96, 96, 96, 96, stride, 0)) for name, stride in zip("abc", strides, strict=False)}
    found = describing_layers(places, list(places))
    assert [name for name, _ in found] == chosen
    assert all(asdict(place) == places[name] for name, place in found)


def test_a_layer_of_fewer_channels_counts_as_much_as_another() -> None:
    rng = np.random.default_rng(8)
    fine, coarse = rng.random((9, 2, 3)), rng.random((9, 1, 5))
    joined = np.array([join_layers([left, right]) for left, right in zip(fine, coarse, strict=True)])
    assert joined.shape == (9, 3, 5)
    parts = (fine[:, :1], fine[:, 1:], coarse)
    alone = np.concatenate([normalise_descriptors(part) for part in parts], axis=1) / 3**0.5
    found = normalise_descriptors(joined)
    np.testing.assert_allclose(found[:, (found != 0).any(axis=0)], alone, rtol=1e-12)


@pytest.mark.parametrize(
    ("features", "scores", "temperatures", "message"),
    [
        (np.ones((2, 3)), np.ones(4), [1.0], r"\(2, 3\).*\(4,\)"),
        (np.ones((2, 0)), np.ones(0), [1.0], r"\(2, 0\)"),
        (np.ones((2, 3)), np.full(3, np.inf), [1.0], "anomaly map"),
        (np.ones((2, 3)), np.ones(3), [-1.0], "-1"),
        (np.ones((2, 3)), np.ones(3), [np.nan], "nan"),
    ],
)
def test_bad_cells_are_named(
    features: NDArray[np.float64],
    scores: NDArray[np.float64],
    temperatures: list[float],
    message: str,
) -> None:
    with pytest.raises(FirstsightError, match=message):
        describe(features, scores, temperatures)


@pytest.mark.parametrize("features", [np.ones((3, 4)), np.ones((2, 0, 3)), np.full((2, 3, 4), np.nan)])
def test_bad_features_are_named(features: np.ndarray) -> None:
    with pytest.raises(FirstsightError, match="features"):
        blur_features(features, 8)


@pytest.mark.parametrize(("count", "neighbours"), [(7, 0), (16, 2), (40, 5), (60, 5)])
def test_smoothed_descriptors_are_means_of_the_nearest(count: int, neighbours: int) -> None:
    values = np.random.default_rng(count).normal(size=(count, 3))
    expected = np.zeros_like(values)
    for index, value in enumerate(values):
        distances = [float(((value - other) ** 2).sum()) for other in values]
        nearest = sorted(range(count), key=lambda other: distances[other])
        assert nearest[0] == index
        expected[index] = values[nearest[: neighbours + 1]].mean(axis=0)
    np.testing.assert_allclose(smooth_descriptors(values), expected)


def test_smoothing_equal_descriptors_changes_nothing() -> None:
    values = np.ones((30, 4))
    np.testing.assert_allclose(smooth_descriptors(values), values)


def test_smoothing_against_a_sample_stays_near(monkeypatch: pytest.MonkeyPatch) -> None:
    centres = np.array([[0.0, 0.0], [10.0, 0.0]])
    values = np.repeat(centres, 50, axis=0) + np.random.default_rng(0).normal(size=(100, 2))
    monkeypatch.setattr("firstsight.clustering.descriptors.LARGEST_COMPARED", 40)
    smoothed = smooth_descriptors(values)
    assert smoothed.shape == values.shape
    assert np.linalg.norm(smoothed - np.repeat(centres, 50, axis=0), axis=1).max() < 3
