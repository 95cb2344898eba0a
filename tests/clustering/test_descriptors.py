import numpy as np
import pytest

from firstsight.clustering.descriptors import (
    image_descriptor,
    normalise_descriptors,
    region_descriptor,
    weighting_temperature,
)
from firstsight.errors import FirstsightError
from oracles.descriptors import slow_blur, slow_descriptor, slow_normalise


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 5), (5, 7, 16)])
@pytest.mark.parametrize("subtract_mean", [False, True])
def test_a_region_equals_the_definition(shape, subtract_mean):
    rng = np.random.default_rng(shape)
    features = rng.random(shape, dtype=np.float32)
    weights = rng.random(shape[1:]) * (rng.random(shape[1:]) < 0.5)
    np.testing.assert_allclose(
        region_descriptor(features, weights, subtract_mean=subtract_mean),
        slow_descriptor(features, weights, subtract_mean),
        rtol=1e-9,
        atol=1e-12,
    )


@pytest.mark.parametrize("subtract_mean", [False, True])
def test_an_image_is_a_region_weighted_by_the_softmax(subtract_mean):
    rng = np.random.default_rng(0)
    features = rng.random((4, 8, 11))
    anomaly_map = rng.random((8, 11))
    np.testing.assert_allclose(
        image_descriptor(features, anomaly_map, temperature=0.2, subtract_mean=subtract_mean),
        slow_descriptor(features, np.exp(anomaly_map / 0.2), subtract_mean),
        rtol=1e-9,
    )


@pytest.mark.parametrize("temperature", [0.0, 0.3])
def test_a_map_without_variation_weighs_all_cells_alike(temperature):
    features = np.random.default_rng(1).random((3, 6, 7))
    flat = np.full((6, 7), 0.4, dtype=np.float32)
    expected = slow_blur(features).mean(axis=(1, 2))
    np.testing.assert_allclose(image_descriptor(features, flat, temperature=temperature), expected)
    centred = image_descriptor(features, flat, temperature=temperature, subtract_mean=True)
    np.testing.assert_allclose(centred, 0, atol=1e-12)


def test_a_cold_softmax_takes_the_highest_cells_alone():
    features = np.random.default_rng(2).random((3, 6, 7))
    anomaly_map = np.zeros((6, 7))
    anomaly_map[2, 3] = anomaly_map[4, 1] = 1
    expected = slow_blur(features)[:, [2, 4], [3, 1]].mean(axis=1)
    for temperature in (0.0, 1e-300, 1e-3):
        np.testing.assert_allclose(image_descriptor(features, anomaly_map, temperature=temperature), expected)


@pytest.mark.parametrize("factor", [1e-8, 1.0, 1e8])
def test_scale_and_zero_of_the_maps_do_not_matter(factor):
    rng = np.random.default_rng(3)
    features = rng.random((3, 8, 8))
    maps = rng.gamma(3, 0.01, (5, 8, 8))
    first = image_descriptor(features, maps[0], temperature=weighting_temperature(maps.ravel()))
    scaled = factor * (maps + 1)
    again = image_descriptor(features, scaled[0], temperature=weighting_temperature(scaled.ravel()))
    np.testing.assert_allclose(again, first, rtol=1e-6)


def test_the_temperature_is_half_a_deviation():
    assert weighting_temperature(np.random.default_rng(4).normal(0, 1, 100_000)) == pytest.approx(0.5, rel=0.02)
    assert weighting_temperature(np.full(10, 0.7)) == 0


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 9), (2, 2, 3)])
def test_maps_smaller_than_the_blur_give_finite_descriptors(shape):
    descriptor = image_descriptor(np.ones(shape), np.zeros(shape[1:]), temperature=1.0)
    np.testing.assert_allclose(descriptor, 1)


@pytest.mark.parametrize("factor", [1e-300, 1e300])
def test_any_factor_on_the_weights_cancels(factor):
    rng = np.random.default_rng(5)
    features, weights = rng.random((2, 5, 5)), rng.random((5, 5))
    scaled = region_descriptor(features, factor * weights)
    np.testing.assert_allclose(scaled, region_descriptor(features, weights))


@pytest.mark.parametrize("shape", [(2, 3), (5, 1), (20, 40)])
def test_normalised_descriptors_equal_the_definition(shape):
    descriptors = np.random.default_rng(shape).gamma(2, 3, shape)
    np.testing.assert_allclose(normalise_descriptors(descriptors), slow_normalise(descriptors), rtol=1e-9)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-200, 1e200])
def test_what_does_not_vary_is_zero(value):
    same = normalise_descriptors(np.full((7, 3), value))
    np.testing.assert_array_equal(same, 0)
    mixed = normalise_descriptors(np.column_stack([np.full(4, value), np.arange(4)]))
    np.testing.assert_array_equal(mixed[:, 0], 0)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1)


def test_no_and_one_descriptor():
    assert normalise_descriptors(np.empty((0, 5))).shape == (0, 5)
    np.testing.assert_array_equal(normalise_descriptors(np.ones((1, 5))), 0)


@pytest.mark.parametrize(
    ("features", "weights", "message"),
    [
        (np.ones((2, 3, 4)), np.ones((4, 3)), r"\(2, 3, 4\).*\(4, 3\)"),
        (np.ones((3, 4)), np.ones((3, 4)), r"\(3, 4\)"),
        (np.full((2, 3, 4), np.nan), np.ones((3, 4)), "features"),
        (np.ones((2, 3, 4)), np.zeros((3, 4)), "weights"),
        (np.ones((2, 3, 4)), -np.ones((3, 4)), "weights"),
        (np.ones((2, 3, 4)), np.full((3, 4), np.nan), "weights"),
    ],
)
def test_bad_regions_are_named(features, weights, message):
    with pytest.raises(FirstsightError, match=message):
        region_descriptor(features, weights)


@pytest.mark.parametrize(
    ("anomaly_map", "temperature", "message"),
    [
        (np.ones((3, 4)), -1.0, "-1"),
        (np.ones((3, 4)), np.nan, "nan"),
        (np.full((3, 4), np.inf), 1.0, "anomaly map"),
        (np.ones((0, 4)), 1.0, r"\(0, 4\)"),
        (np.ones((4, 4)), 1.0, r"\(4, 4\)"),
    ],
)
def test_bad_maps_are_named(anomaly_map, temperature, message):
    with pytest.raises(FirstsightError, match=message):
        image_descriptor(np.ones((2, 3, 4)), anomaly_map, temperature=temperature)


@pytest.mark.parametrize("descriptors", [np.ones(3), np.array([[1.0, np.nan]])])
def test_bad_descriptors_are_named(descriptors):
    with pytest.raises(FirstsightError, match="descriptors"):
        normalise_descriptors(descriptors)
