"""The scale of a texture: its shortest waves, and the windows that hold what it holds."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import skimage.data

from firstsight.features.input_size import input_size, input_window
from firstsight.features.texture_scale import (
    HELD,
    Scale,
    choose_fineness,
    choose_window,
    resize_grey,
    shortest_waves,
    unevenness,
    window_candidates,
)
from oracles import texture_scale as oracle

Grey = npt.NDArray[np.float32]


def stripes(period: float, side: int = 128, height: int | None = None) -> Grey:
    """Stripes that run down the image."""
    values = 0.5 + 0.4 * np.sin(2 * np.pi * np.arange(side) / period)
    return np.tile(values, (height or side, 1)).astype(np.float32)


def noise(*shape: int, seed: int = 0) -> Grey:
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def photograph(name: str) -> Grey:
    """A texture of scikit-image, 512 x 512, in [0, 1]."""
    values: Grey = np.asarray(getattr(skimage.data, name)(), np.float32) / np.float32(255)
    return values


@pytest.mark.parametrize("shape", [(16, 16), (17, 23), (24, 15)])
def test_shortest_waves_are_those_of_the_slow_transform(shape: tuple[int, int]) -> None:
    grey = noise(*shape, seed=1)
    assert shortest_waves(grey) == pytest.approx(oracle.shortest_waves(grey.astype(np.float64)), rel=1e-6)


@pytest.mark.parametrize("period", [4.0, 9.5, 20.0])
def test_the_shortest_waves_of_stripes_are_their_period(period: float) -> None:
    # The Hann window widens a line of the spectrum by a few of its steps.
    assert shortest_waves(stripes(period)) == pytest.approx(period, rel=0.2)
    assert shortest_waves(stripes(period).T) == pytest.approx(period, rel=0.2)


@pytest.mark.parametrize("name", ["brick", "grass", "gravel"])
def test_shortest_waves_grow_with_the_image(name: str) -> None:
    grey = photograph(name)[:256, :256]
    once = shortest_waves(grey)
    twice = shortest_waves(resize_grey(grey, (512, 512)))
    assert once is not None
    # Interpolation takes away some of what is finest.
    assert twice == pytest.approx(2.3 * once, rel=0.25)


@pytest.mark.parametrize("grey", [np.full((64, 64), 0.3), np.zeros((1, 1)), np.zeros((3, 90))])
def test_an_image_without_waves_has_no_shortest(grey: Grey) -> None:
    assert shortest_waves(grey.astype(np.float32)) is None


@pytest.mark.parametrize(("shape", "window"), [((24, 31), 5), ((19, 19), 9), ((40, 21), 4)])
def test_unevenness_is_that_of_the_slow_windows(shape: tuple[int, int], window: int) -> None:
    grey = noise(*shape, seed=2)
    assert unevenness(grey, window) == pytest.approx(oracle.unevenness(grey.astype(np.float64), window), rel=1e-6)


def test_windows_that_do_not_fit_or_hold_nothing_are_not_judged() -> None:
    assert unevenness(noise(20, 50), 10) is None
    assert unevenness(np.zeros((64, 64), np.float32), 8) is None


def test_bricks_need_larger_windows_than_grass_and_gravel() -> None:
    """A window of 28 pixels holds mortar or none; neither blades of grass nor pebbles are that large."""
    chosen = {}
    for name in ("brick", "grass", "gravel"):
        tiles = [photograph(name)[top : top + 256, left : left + 256] for top in (0, 256) for left in (0, 256)]
        entered = [resize_grey(tile, (384, 384)) for tile in tiles]
        candidates = window_candidates(384)
        looks = [round(HELD * window) for window in candidates]
        chosen[name], _ = choose_window([[unevenness(tile, look) for look in looks] for tile in entered], candidates)
    assert chosen == {"brick": 80, "grass": 40, "gravel": 40}


def test_candidates_grow_with_the_input_up_to_a_limit() -> None:
    assert window_candidates(100) == [40]
    assert window_candidates(384) == [40, 57, 80]
    assert window_candidates(1024) == window_candidates(5000) == [40, 57, 80, 113, 160]


def test_the_smallest_even_window_is_chosen() -> None:
    candidates = [40.0, 57.0, 80.0]
    assert choose_window([[0.1, 0.1, 0.1]], candidates) == (40, False)
    assert choose_window([[0.5, 0.15, 0.1], [0.4, 0.25, 0.2], [0.6, 0.18, 0.2]], candidates) == (57, False)
    assert choose_window([[0.5, 0.4, 0.3]], candidates) == (80, True), "the texture is nowhere even"
    assert choose_window([[0.5, 0.4, 0.1]], candidates) == (80, True)
    assert choose_window([[0.5, 0.4, None]], candidates) == (57, True), "the largest that fits"
    assert choose_window([[None, None, None]], candidates) == (40, False), "too small to tell"
    assert choose_window([], candidates) == (40, False)


def test_fineness_is_the_median_in_quarters_of_an_octave() -> None:
    assert choose_fineness([8.0, 8.1, 30.0], [256, 256, 256]) == (8.0, None)
    assert choose_fineness([9.0, 9.2], [256, 256])[0] == pytest.approx(8 * 2**0.25)
    assert choose_fineness([None, 4.0], [256, 256]) == (4.0, None), "a constant image says nothing"
    assert choose_fineness([None], [256]) == choose_fineness([], []) == (None, None)


def test_images_of_several_resolutions_are_told_from_views_of_several_sizes() -> None:
    """One cloth by a scanner and by a phone: waves grow with the image. A small and a large piece: they do not."""
    sides = [500, 520, 4000, 4100]
    fineness, side = choose_fineness([5.0, 5.3, 40.0, 42.0], sides)
    assert side == 2260
    assert fineness == pytest.approx(2260 / 100, rel=0.1)
    assert choose_fineness([5.0, 5.3, 5.1, 4.9], sides)[1] is None


@pytest.mark.parametrize(
    ("shape", "scale", "expected"),
    [
        ((256, 512), Scale(), (384, 768)),
        ((50, 60), Scale(), (200, 240)),
        ((128, 256), Scale(coarse=True), (192, 384)),
        ((256, 512), Scale(coarse=True), (256, 512)),
        ((1024, 1024), Scale(fineness=90.0, coarse=True), (192, 192)),
        ((1024, 1024), Scale(), (1024, 1024)),
        ((1024, 1024), Scale(fineness=2.0), (1024, 1024)),
        ((1024, 1024), Scale(fineness=16.0), (512, 512)),
        ((1024, 2048), Scale(fineness=90.0), (384, 768)),
        ((4000, 3000), Scale(fineness=16.0, side=1500), (1000, 750)),
        ((400, 600), Scale(fineness=16.0, side=1500), (400, 600)),
    ],
)
def test_images_are_reduced_while_their_texture_stays_resolved(
    shape: tuple[int, int], scale: Scale, expected: tuple[int, int]
) -> None:
    assert input_size(*shape, "auto", least_side=384, scale=scale) == expected


def test_a_window_that_is_given_holds_in_pixels_of_the_image() -> None:
    size = input_size(1000, 1000, "auto", least_side=384, scale=Scale(), given=120)
    assert (size, input_window(1000, 1000, size, scale=Scale(), given=120)) == ((1000, 1000), 120)
    small = input_size(128, 128, "auto", least_side=384, scale=Scale(), given=30)
    assert (small, input_window(128, 128, small, scale=Scale(), given=30)) == ((384, 384), 90)
    large = input_size(1000, 1000, "auto", least_side=384, scale=Scale(), given=500)
    assert (large, input_window(1000, 1000, large, scale=Scale(), given=500)) == ((400, 400), 200)


@pytest.mark.parametrize(("image_size", "expected"), [(224, (224, 224)), ([100, 50], (100, 50)), (None, (900, 600))])
def test_a_size_that_is_given_holds(image_size: Any, expected: tuple[int, int]) -> None:
    scale = Scale(fineness=40.0, window=80.0)
    size = input_size(900, 600, image_size, least_side=384, scale=scale)
    assert size == expected
    assert input_window(900, 600, size, scale=scale) == 80


def test_resizing_keeps_the_mean_and_antialiases() -> None:
    grey = noise(64, 48)
    assert resize_grey(grey, (64, 48)) is grey
    reduced = resize_grey(grey, (16, 12))
    assert reduced.shape == (16, 12)
    assert reduced.mean() == pytest.approx(grey.mean(), abs=0.01)
    assert reduced.std() < 0.4 * grey.std()
