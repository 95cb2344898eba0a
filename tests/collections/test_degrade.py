"""Noise and missing pixels."""

import numpy as np
import pytest

from firstsight.collections.degrade import DEGRADATIONS, add_noise, remove_pixels
from firstsight.errors import FirstsightError


def random_image(height: int = 40, width: int = 50) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), dtype=np.float32)


def test_noise_has_the_deviation_asked_for_and_stays_in_range() -> None:
    grey = np.full((200, 200, 3), 0.5, np.float32)
    noisy = add_noise(grey, 0.04, np.random.default_rng(1))
    assert noisy.dtype == np.float32
    assert (noisy - grey).std() == pytest.approx(0.04, rel=0.02)
    assert abs((noisy - grey).mean()) < 0.001
    black = add_noise(np.zeros((50, 50, 3), np.float32), 0.1, np.random.default_rng(1))
    assert (black.min(), black.max() <= 1) == (0, True)


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.1, 200), (0.0004, 1), (1.0, 2000)])
def test_whole_pixels_are_removed(share: float, count: int) -> None:
    image = random_image()
    before = image.copy()
    holes = remove_pixels(image, share, np.random.default_rng(2))
    missing = np.isnan(holes)
    assert np.array_equal(missing.any(axis=2), missing.all(axis=2))
    assert missing.all(axis=2).sum() == count
    assert np.array_equal(holes[~missing], image[~missing])
    assert np.array_equal(image, before)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_the_same_seed_gives_the_same_image(name: str) -> None:
    degrade = DEGRADATIONS[name]
    first, again, other = (degrade(random_image(), 0.05, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)
    assert np.array_equal(degrade(random_image(), 0.0, np.random.default_rng(3)), random_image())
    for level in (-0.1, 1.1):
        with pytest.raises(FirstsightError, match=f"is {level}"):
            degrade(random_image(), level, np.random.default_rng(3))


def test_what_is_missing_stays_missing_under_noise() -> None:
    image = random_image()
    image[2, 3] = np.nan
    assert np.isnan(add_noise(image, 0.1, np.random.default_rng(0))[2, 3]).all()
