"""What every trunk needs: borders, inference, and the units of its input."""

import pytest
import torch
from torch import nn

from firstsight.features.trunk import IMAGENET_MEAN, IMAGENET_STD, normalise_images, prepare_trunk


@pytest.mark.parametrize(("border", "expected"), [("reflect", "reflect"), ("paper", "zeros")])
def test_only_padded_convolutions_reflect(border: str, expected: str) -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    prepare_trunk(trunk, border=border, device=torch.device("cpu"))
    modes = [module.padding_mode for module in trunk if isinstance(module, nn.Conv2d)]
    assert modes == [expected, "zeros"]
    assert not any(module.training for module in trunk.modules())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())


def test_images_are_normalised_by_channel() -> None:
    images = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    found = normalise_images(images)
    for channel, (mean, deviation) in enumerate(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)):
        torch.testing.assert_close(found[:, channel], (images[:, channel] - mean) / deviation)
    assert found.is_contiguous(memory_format=torch.channels_last)
