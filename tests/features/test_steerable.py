import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from firstsight.features import load_extractor
from firstsight.features.steerable import CHANNELS, steerable_bands
from oracles import steerable as oracle


def random_images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("border", ["reflect", "paper"])
@pytest.mark.parametrize("shape", [(17, 17), (18, 33), (40, 21)])
def test_equals_the_first_level_of_pyrtools(border: str, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((3, *shape))
    found = steerable_bands(torch.from_numpy(image).float()[None], border=border)[0]
    assert found.shape == (len(CHANNELS), *shape)
    np.testing.assert_allclose(found, oracle.bands(image, border), atol=1e-6)


def test_the_layer_is_the_bands() -> None:
    images = random_images(2, 3, 20, 31)
    features = load_extractor("steerable")(images)
    assert list(features) == ["bands"]
    assert torch.equal(features["bands"], steerable_bands(images))


def test_colours_do_not_mix() -> None:
    images = random_images(1, 3, 16, 16)
    expected = steerable_bands(images)
    images[:, 1] = 0
    found = steerable_bands(images)
    assert found[:, 4:8].abs().max() == 0
    torch.testing.assert_close(found[:, [0, 1, 2, 3, 8, 9, 10, 11]], expected[:, [0, 1, 2, 3, 8, 9, 10, 11]])


def test_the_first_band_sees_upright_edges_with_their_sign() -> None:
    images = torch.zeros(1, 3, 20, 20)
    images[..., 10:] = 1
    bands = steerable_bands(images)[0, :4]
    assert bands[0, 10].argmax() in (9, 10)
    assert bands[0, 10].max() > 0.15
    assert bands[2].abs().max() < 1e-6
    torch.testing.assert_close(steerable_bands(images.flip(3))[0, 0], -bands[0].flip(1))


def test_an_image_turned_counterclockwise_has_its_bands_turned_counterclockwise() -> None:
    images = random_images(1, 3, 24, 31)
    bands = steerable_bands(images)[0, :4].rot90(1, (1, 2))
    # A band turned by 180 degrees is its own negative.
    expected = torch.stack([-bands[2], -bands[3], bands[0], bands[1]])
    torch.testing.assert_close(steerable_bands(images.rot90(1, (2, 3)))[0, :4], expected, rtol=1e-4, atol=1e-5)


def test_gratings_of_any_orientation_have_the_same_energy() -> None:
    """What makes the filters steerable: a response goes with the third power of the cosine between grating and filter.

    The sum of the squares is then the same for every orientation: 1.25. The period is that of the filters' design.
    """
    y, x = torch.meshgrid(torch.arange(120.0), torch.arange(120.0), indexing="ij")
    for angle in torch.arange(0, math.pi, 0.2).tolist():
        phase = 0.5 * math.pi * (x * math.cos(angle) - y * math.sin(angle))
        bands = steerable_bands((0.5 + 0.5 * phase.sin()).expand(1, 3, -1, -1))[0, :4, 12:-12, 12:-12]
        energies = bands.square().mean((1, 2))
        cosines = torch.tensor([math.cos(angle - degrees * math.pi / 4) for degrees in range(4)])
        torch.testing.assert_close(energies / energies.sum(), cosines**6 / 1.25, rtol=0, atol=0.02)


def test_reflecting_borders_are_those_of_the_mirrored_image() -> None:
    images = random_images(2, 3, 20, 17)
    mirrored = steerable_bands(F.pad(images, (12, 12, 12, 12), mode="reflect"))
    torch.testing.assert_close(steerable_bands(images), mirrored[:, :, 12:-12, 12:-12], rtol=1e-4, atol=1e-5)


def test_brightness_does_not_matter_and_contrast_scales() -> None:
    images = random_images(1, 3, 24, 24) / 2
    torch.testing.assert_close(steerable_bands(images + 0.25), steerable_bands(images), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(steerable_bands(images * 2), 2 * steerable_bands(images), rtol=1e-4, atol=1e-5)


def test_values_stay_below_the_stated_bound() -> None:
    # The response to an impulse is the kernel itself; half of its absolute sum is the most that [0, 1] can give.
    images = torch.zeros(1, 3, 21, 21)
    images[:, :, 10, 10] = 1
    assert steerable_bands(images).abs().sum((2, 3)).max() / 2 <= 1
