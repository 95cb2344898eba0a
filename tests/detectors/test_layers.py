"""Scaling of feature channels and fusion of the maps of several layers."""

import torch

from firstsight.detectors.layers import finest_layer, fuse_maps, scale_channels


def test_every_channel_is_scaled_by_its_own_range() -> None:
    features = (
        torch.randn(4, 5, 7, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 9, 0, 3])[:, None, None]
    )
    scaled = scale_channels(features.half())
    for channel, result in zip(features.half().float(), scaled, strict=True):
        span = channel.max() - channel.min()
        expected = (channel - channel.min()) / span if span > 0 else torch.zeros_like(channel)
        torch.testing.assert_close(result, expected)
    assert scaled.dtype == torch.float32


def test_a_single_map_is_left_as_it_is() -> None:
    single = torch.rand(3, 4)
    assert torch.equal(fuse_maps([single]), single)


def test_maps_are_averaged_on_the_finest_grid() -> None:
    fine, coarse = torch.rand(8, 6, generator=torch.Generator().manual_seed(1)), torch.full((4, 3), 2.0)
    torch.testing.assert_close(fuse_maps([coarse, fine]), (fine + 2.0) / 2)


def test_finest_layer_has_the_smallest_stride() -> None:
    assert finest_layer({"layer3": 16, "layer2": 8, "other": 8}) == "layer2"
