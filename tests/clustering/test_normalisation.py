"""The units of descriptors, against their definition."""

import numpy as np
import pytest

from firstsight.clustering.normalisation import (
    fit_normalisation,
    join_weightings,
    normalise_descriptors,
    root_descriptors,
)
from firstsight.errors import FirstsightError
from oracles.descriptors import slow_normalise, slow_root


@pytest.mark.parametrize("shape", [(2, 1, 3), (5, 2, 1), (20, 3, 40)])
def test_normalised_descriptors_equal_the_definition(shape: tuple[int, ...]) -> None:
    descriptors = np.random.default_rng(shape).gamma(2, 3, shape)
    normalisation = fit_normalisation(descriptors)
    np.testing.assert_allclose(root_descriptors(descriptors, normalisation), slow_root(descriptors), rtol=1e-9)
    np.testing.assert_allclose(normalise_descriptors(descriptors), slow_normalise(descriptors), rtol=1e-9)


def test_new_descriptors_get_the_units_of_the_old() -> None:
    rng = np.random.default_rng(5)
    old, new = rng.random((30, 2, 6)), rng.random((4, 2, 6))
    normalisation = fit_normalisation(old)
    expected = np.sign(new - old.mean(0)) * np.sqrt(np.abs(new - old.mean(0)) / old.std(0))
    np.testing.assert_allclose(root_descriptors(new, normalisation), expected)
    np.testing.assert_allclose(normalise_descriptors(new, normalisation), join_weightings(expected))


def test_a_channel_that_hardly_varied_does_not_drown_the_others() -> None:
    old = np.random.default_rng(6).random((10, 1, 5))
    old[:, 0, 0] = 0
    old[3, 0, 0] = 1e-20
    new = old[:1].copy()
    new[0, 0, 0] = 1
    rooted = root_descriptors(new, fit_normalisation(old))
    assert rooted[0, 0, 0] == pytest.approx(9**0.25)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e-200, 1e200])
def test_what_does_not_vary_is_zero(value: float) -> None:
    np.testing.assert_array_equal(normalise_descriptors(np.full((7, 2, 3), value)), 0)
    mixed = normalise_descriptors(np.stack([np.full(4, value), np.arange(4)], axis=1)[:, None])
    np.testing.assert_array_equal(mixed[:, 0], 0)
    np.testing.assert_allclose(np.linalg.norm(mixed, axis=1), 1)


def test_one_descriptor() -> None:
    np.testing.assert_array_equal(normalise_descriptors(np.ones((1, 2, 5))), np.zeros((1, 10)))


@pytest.mark.parametrize("descriptors", [np.ones((3, 2)), np.full((2, 1, 1), np.nan), np.ones((0, 2, 3))])
def test_bad_descriptors_are_named(descriptors: np.ndarray) -> None:
    with pytest.raises(FirstsightError, match="descriptors"):
        normalise_descriptors(descriptors)


def test_descriptors_of_other_features_are_refused() -> None:
    with pytest.raises(FirstsightError, match="2 x 4 values do not compare with those of 2 x 3"):
        root_descriptors(np.ones((5, 2, 4)), fit_normalisation(np.ones((5, 2, 3))))
