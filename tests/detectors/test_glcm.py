"""Grey-level co-occurrence against scikit-image."""

import time
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.detectors.glcm import GlcmSettings, Property, cooccurrence, detect, quantise, texture_property
from firstsight.detectors.image_input import patch_starts
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from oracles import glcm as oracle

PROPERTIES: tuple[Property, ...] = get_args(Property)


def random_levels(height: int, width: int, levels: int, seed: int = 0) -> NDArray[np.integer]:
    """Levels with structure: neighbours resemble one another, one corner is constant."""
    rng = np.random.default_rng(seed)
    values = np.minimum(rng.integers(levels, size=(height, width)), np.arange(width) % levels)
    values[:12, :12] = levels - 1
    return values


@pytest.mark.parametrize("offset", [(0, 1), (1, 1), (1, 0), (1, -1), (0, 3), (3, 3), (2, 0), (3, -3)])
@pytest.mark.parametrize(("shape", "window_size", "step"), [((23, 30), 8, 4), ((17, 16), 16, 5), ((20, 21), 5, 2)])
def test_properties_equal_those_of_scikit_image(
    offset: tuple[int, int], shape: tuple[int, int], window_size: int, step: int
) -> None:
    levels = random_levels(*shape, 6)
    expected = oracle.properties(levels, 6, offset, PROPERTIES, window_size=window_size, step=step)
    rows, columns = (patch_starts(size, window_size, step) for size in shape)
    found = cooccurrence(torch.from_numpy(levels), 6, offset, window_size=window_size, rows=rows, columns=columns)
    torch.testing.assert_close(found.sum(dim=(-1, -2)), torch.ones(len(rows), len(columns)))
    largest = {"contrast": 25, "dissimilarity": 5}
    for name in PROPERTIES:
        values = texture_property(found, name).numpy() * largest.get(name, 1)
        np.testing.assert_allclose(values, expected[name], rtol=1e-4, atol=2e-5, err_msg=name)


def test_the_map_equals_the_oracle_at_the_centres_of_the_windows() -> None:
    grey = torch.rand(37, 45, generator=torch.Generator().manual_seed(0))
    settings = GlcmSettings(levels=4, distance=2, window_size=9, step=6, properties=PROPERTIES)
    found = detect({"image": grey.expand(3, -1, -1)}, {}, settings).numpy()
    quantised = quantise(0.299 * grey + 0.587 * grey + 0.114 * grey, 4).numpy()
    expected = oracle.distances(quantised, 4, PROPERTIES, distance=2, window_size=9, step=6)
    rows, columns = (np.array(patch_starts(size, 9, 6)) + 4 for size in (37, 45))
    np.testing.assert_allclose(found[np.ix_(rows, columns)], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[:4, columns], np.repeat(expected[:1], 4, 0), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found[6, columns], (2 * expected[0] + expected[1]) / 3, rtol=1e-3, atol=1e-4)


def test_levels_are_equally_frequent() -> None:
    grey = torch.rand(30, 40, generator=torch.Generator().manual_seed(0)) ** 3
    assert quantise(grey, 8).unique(return_counts=True)[1].tolist() == [150] * 8


def test_equal_values_have_one_level() -> None:
    grey = torch.tensor([[0.0, 0.0, 0.0, 0.5], [0.0, 0.0, 0.0, 1.0]])
    levels = quantise(grey, 4)
    assert levels[grey == 0].unique().numel() == 1
    assert levels[0, 0] < levels[0, 3] <= levels[1, 3] < 4


def test_another_texture_stands_out() -> None:
    stripes = 0.5 + 0.3 * torch.sin(torch.arange(128) * 0.8).expand(128, 128)
    image = stripes + 0.1 * torch.rand(128, 128, generator=torch.Generator().manual_seed(0))
    image[70:100, 30:60] = image[70:100, 30:60].T
    found = detect({"image": image.expand(3, -1, -1)}, {}, GlcmSettings())
    row, column = divmod(int(found.argmax()), 128)
    assert 65 < row < 105
    assert 25 < column < 65


def test_a_reduced_image_gives_a_map_of_its_own_size() -> None:
    image = torch.rand(3, 90, 121, generator=torch.Generator().manual_seed(0))
    found = detect({"image": image}, {}, GlcmSettings(image_size=60))
    assert found.shape == (90, 121)
    assert found.dtype == torch.float32
    assert found.isfinite().all()


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_a_constant_image_has_nothing_in_it(value: float) -> None:
    assert (detect({"image": torch.full((3, 40, 50), value)}, {}, GlcmSettings()) == 0).all()


def test_missing_pixels_are_filled() -> None:
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(0))
    image[:, ::7, ::5] = torch.nan
    assert detect({"image": image}, {}, GlcmSettings()).isfinite().all()


def test_an_image_as_large_as_a_window_is_one_window() -> None:
    image = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert (detect({"image": image}, {}, GlcmSettings()) == 0).all()


def test_an_image_smaller_than_a_window_is_refused() -> None:
    with pytest.raises(FirstsightError, match="window_size is 32, but the image is only 31 x 90"):
        detect({"image": torch.rand(3, 31, 90)}, {}, GlcmSettings())


def test_an_image_of_512_pixels_takes_at_most_two_seconds() -> None:
    image = torch.rand(3, 512, 512, generator=torch.Generator().manual_seed(0))
    start = time.process_time()
    detect({"image": image}, {}, GlcmSettings())
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"levels": 1}, "levels: 1"),
        ({"levels": 65}, "levels: 65"),
        ({"distance": 0}, "distance: 0"),
        ({"distance": 32}, "distance: 32 should be below window_size"),
        ({"window_size": 1}, "window_size: 1"),
        ({"step": 0}, "step: 0"),
        ({"step": 40}, "step: 40 should be at most window_size"),
        ({"properties": []}, "properties"),
        ({"properties": ["energy", "entropy"]}, "properties.1: 'entropy' is not one of contrast"),
        ({"image_size": -1}, "image_size: -1"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(GlcmSettings, given, ("detectors", "glcm"))
