"""What every trunk needs: borders, inference, and the units of its input."""

import pytest
import torch
from torch import nn

from firstsight.features.trunk import extend_images, fold_normalisations, prepare_trunk


@pytest.mark.parametrize(("border", "expected"), [("reflect", "reflect"), ("paper", "zeros")])
def test_only_padded_convolutions_reflect(border: str, expected: str) -> None:
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))
    prepare_trunk(trunk, border=border, device=torch.device("cpu"))
    modes = [module.padding_mode for module in trunk if isinstance(module, nn.Conv2d)]
    assert modes == [expected, "zeros"]
    assert not any(module.training for module in trunk.modules())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())


def test_folded_normalisations_change_nothing() -> None:
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Conv2d(5, 5, 3, groups=5, bias=False), nn.BatchNorm2d(5, eps=1e-3), nn.ReLU6())
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), inner, nn.BatchNorm2d(5)).eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)
            nn.init.uniform_(module.weight, 0.5, 2)
            module.running_mean = torch.randn(module.num_features)
            module.running_var = 0.5 + torch.rand(module.num_features)
    images = torch.rand(2, 3, 9, 12)
    with torch.inference_mode():
        expected = network(images)
        fold_normalisations(network)
        torch.testing.assert_close(network(images), expected)
    # The last one does not follow a convolution, so it stays.
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) == 1


def test_images_are_extended_to_the_right_and_below() -> None:
    images = torch.rand(1, 3, 10, 13, generator=torch.Generator().manual_seed(0))
    mirrored = extend_images(images, 8, border="reflect")
    assert mirrored.shape == (1, 3, 16, 16)
    assert torch.equal(mirrored[..., :10, :13], images)
    assert torch.equal(mirrored[..., 10:, :13], images[..., 3:9, :].flip(2))
    assert torch.equal(mirrored[..., :10, 13:], images[..., 9:12].flip(3))
    assert not extend_images(images, 8, border="paper")[..., 10:, :].any()
    assert extend_images(images, 1, border="reflect") is images
