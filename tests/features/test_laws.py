import numpy as np
import pytest
import torch
import torch.nn.functional as F

from firstsight.features.laws import CHANNELS, laws_energy
from oracles import laws as oracle

SHAPES = [(8, 8), (9, 23), (21, 16)]


@pytest.mark.parametrize("border", ["reflect", "paper"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_pixel_by_pixel_oracle(shape: tuple[int, int], border: str) -> None:
    image = np.random.default_rng(0).random((3, *shape))
    found = laws_energy(torch.from_numpy(image).float()[None], border=border)[0].numpy()
    energies = oracle.laws_energy(image, border)
    expected = np.stack([(energies[name] + energies[name[2:] + name[:2]]) / 2 for name in CHANNELS])
    assert found.shape == (9, -(-shape[0] // 4), -(-shape[1] // 4))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_transposed_image_has_the_transposed_map() -> None:
    image = torch.rand(1, 3, 33, 50, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(laws_energy(image.mT), laws_energy(image).mT)


def test_reflecting_borders_are_those_of_the_mirrored_image() -> None:
    image = torch.rand(2, 3, 40, 37, generator=torch.Generator().manual_seed(2))
    mirrored = laws_energy(F.pad(image, (24, 24, 24, 24), mode="reflect"))
    torch.testing.assert_close(laws_energy(image), mirrored[:, :, 6:16, 6:16])


def test_a_constant_image_has_no_energy() -> None:
    assert laws_energy(torch.full((1, 3, 20, 20), 0.7)).abs().max() < 1e-4


def test_brightness_does_not_matter_and_contrast_scales() -> None:
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) / 2
    torch.testing.assert_close(laws_energy(image + 0.25), laws_energy(image), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(laws_energy(image * 2), 2 * laws_energy(image), rtol=1e-3, atol=1e-3)


def test_values_stay_below_the_stated_bound() -> None:
    stripes = (torch.arange(64) // 2 % 2).float().expand(1, 3, 64, 64)
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(4)).round()
    assert laws_energy(stripes).max() <= 96
    assert laws_energy(noise).max() <= 96
