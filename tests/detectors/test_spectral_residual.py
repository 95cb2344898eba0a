"""Spectral residual against a slow, obvious one."""

from typing import Any, Literal

import numpy as np
import pytest
import torch

from firstsight.detectors.spectral_residual import SpectralResidualSettings, detect, spectral_residual
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from oracles import spectral_residual as oracle


def texture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    noise = torch.rand(height, width, generator=torch.Generator().manual_seed(seed))
    return (0.4 + 0.2 * torch.sin(torch.arange(width) * 0.9) + 0.1 * noise).expand(3, height, width).clone()


@pytest.mark.parametrize("shape", [(9, 12), (16, 16), (1, 13), (7, 1)])
@pytest.mark.parametrize("border", ["reflect", "paper"])
@pytest.mark.parametrize("average_size", [1, 3, 5])
def test_the_map_equals_the_oracle(
    shape: tuple[int, int], border: Literal["reflect", "paper"], average_size: int
) -> None:
    grey = np.random.default_rng(3).random(shape).astype(np.float32)
    settings: dict[str, Any] = {"average_size": average_size, "sigma": 1.0, "border": border}
    found = spectral_residual(torch.from_numpy(grey), **settings)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), oracle.spectral_residual(grey, **settings), rtol=1e-4, atol=1e-6)


def test_a_periodic_image_has_empty_frequencies_and_equals_the_oracle() -> None:
    grey = np.tile(np.random.default_rng(0).random((4, 4)), (4, 5)).astype(np.float32)
    found = spectral_residual(torch.from_numpy(grey), border="paper", sigma=1.0)
    expected = oracle.spectral_residual(grey, average_size=3, sigma=1.0, border="paper")
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-3)


@pytest.mark.parametrize("border", ["reflect", "paper"])
def test_a_spot_stands_out(border: Literal["reflect", "paper"]) -> None:
    image = texture(64, 96)
    image[:, 20:24, 60:64] = 1.0
    found = detect({"image": image}, {}, SpectralResidualSettings(border=border))
    row, column = divmod(int(found.argmax()), 96)
    assert abs(row - 22) <= 3
    assert abs(column - 62) <= 3


def test_large_images_are_reduced_and_the_map_laid_back() -> None:
    image = texture(150, 210)
    found = detect({"image": image}, {}, SpectralResidualSettings())
    assert found.shape == (150, 210)
    assert found.dtype == torch.float32
    assert (found >= 0).all()


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("border", ["reflect", "paper"])
def test_a_constant_image_has_nothing_in_it(value: float, border: Literal["reflect", "paper"]) -> None:
    found = detect({"image": torch.full((3, 10, 15), value)}, {}, SpectralResidualSettings(border=border))
    assert (found == 0).all()


def test_missing_pixels_are_filled() -> None:
    image = texture(40, 50)
    image[:, 5:9, 7:20] = torch.nan
    assert detect({"image": image}, {}, SpectralResidualSettings()).isfinite().all()


def test_scores_do_not_depend_on_size_brightness_and_contrast() -> None:
    noise = torch.rand(96, 96, generator=torch.Generator().manual_seed(0))
    assert 0.8 < spectral_residual(noise[:48, :48]).mean() / spectral_residual(noise).mean() < 1.25
    torch.testing.assert_close(spectral_residual(0.3 * noise + 0.6), spectral_residual(noise), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image_size": 0}, "image_size: 0"),
        ({"average_size": 4}, "average_size: 4"),
        ({"sigma": 0.0}, "sigma: 0"),
        ({"sigma": float("nan")}, "sigma: nan"),
        ({"border": "zero"}, "zero"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(SpectralResidualSettings, given, ("detectors", "spectral_residual"))
