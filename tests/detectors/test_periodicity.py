"""Periodic and stochastic textures told apart."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from firstsight.detectors.periodicity import autocorrelation, periodicity
from oracles import ssdnet as oracle

ROWS, COLUMNS = np.mgrid[:96, :128]
NOISE = np.random.default_rng(0).normal(size=(96, 128))
PERIODIC = {
    "stripes": 0.5 + 0.3 * np.sin(COLUMNS * 0.9),
    "diagonal stripes": 0.5 + 0.3 * np.sin(COLUMNS * 0.4 + ROWS * 0.7),
    "checkerboard": ((ROWS // 6 + COLUMNS // 6) % 2).astype(float),
    "grid": ((ROWS % 12 < 2) | (COLUMNS % 12 < 2)).astype(float),
    "dots": ((ROWS % 8 < 3) & (COLUMNS % 10 < 3)).astype(float),
}
STOCHASTIC = {
    "noise": NOISE,
    "fine grain": gaussian_filter(NOISE, 1),
    "coarse grain": gaussian_filter(NOISE, 4),
    "brushed": gaussian_filter(NOISE, (0.5, 12)),
    "a slope": COLUMNS / 128 + 0.01 * NOISE,
}


@pytest.mark.parametrize("shape", [(8, 8), (9, 14), (13, 8)])
@pytest.mark.parametrize("share", [1.0, 0.7])
def test_the_autocorrelation_equals_the_oracle(shape: tuple[int, int], share: float) -> None:
    rng = np.random.default_rng(1)
    values, known = rng.normal(size=shape), rng.random(shape) < share
    np.testing.assert_allclose(autocorrelation(values, known), oracle.autocorrelation(values, known), atol=1e-10)


@pytest.mark.parametrize("name", PERIODIC)
def test_patterns_are_periodic(name: str) -> None:
    assert periodicity(PERIODIC[name]) > 0.8
    noisy = PERIODIC[name] + 0.5 * PERIODIC[name].std() * NOISE
    assert periodicity(noisy) > 0.55


@pytest.mark.parametrize("name", STOCHASTIC)
def test_grain_is_not(name: str) -> None:
    assert periodicity(STOCHASTIC[name]) < 0.35


def test_neither_an_anomaly_nor_light_nor_missing_pixels_hide_a_pattern() -> None:
    image = PERIODIC["stripes"] + COLUMNS / 128
    image[20:50, 30:60] = 3.0
    known = np.random.default_rng(2).random(image.shape) > 0.3
    known[60:90, 70:110] = False
    assert periodicity(image, known) > 0.5
    spoiled = np.where(known, image, 1e6)
    assert periodicity(spoiled, known) == pytest.approx(periodicity(image, known))


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (7, 90), (40, 50)])
def test_nothing_is_not_periodic(value: float, shape: tuple[int, int]) -> None:
    assert periodicity(np.full(shape, value)) == 0
    assert periodicity(np.full(shape, value), np.zeros(shape, dtype=bool)) == 0


def test_scale_and_brightness_do_not_matter() -> None:
    image = PERIODIC["grid"] + 0.2 * NOISE
    assert periodicity(0.1 * image + 5) == pytest.approx(periodicity(image))
