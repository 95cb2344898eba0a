"""Scaling of feature channels and fusion of the maps of several layers."""

import pytest
import torch

from firstsight.detectors.layers import automatic_patch_size, finest_layer, fuse_maps, scale_channels
from firstsight.storage.geometry import Geometry


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


def place(stride: int, offset: float = 0.0) -> Geometry:
    return Geometry(64, 48, 64, 48, stride, offset)


def test_a_single_map_is_left_as_it_is() -> None:
    single = torch.rand(3, 4)
    assert torch.equal(fuse_maps({"a": single}, {"a": place(8)}), single)


def test_maps_are_averaged_on_the_finest_grid() -> None:
    fine, coarse = torch.rand(8, 6, generator=torch.Generator().manual_seed(1)), torch.full((4, 3), 2.0)
    fused = fuse_maps({"coarse": coarse, "fine": fine}, {"coarse": place(16), "fine": place(8)})
    torch.testing.assert_close(fused, (fine + 2.0) / 2)


@pytest.mark.parametrize("offset", [0.0, 3.5])
def test_a_coarse_map_is_read_where_the_fine_cells_lie(offset: float) -> None:
    """A ramp over the image stays the same ramp, between the outer cells of the coarse map."""
    fine = 1.0 * 8 * torch.arange(16)[:, None].expand(16, 12)
    coarse = offset + 1.0 * 16 * torch.arange(8)[:, None].expand(8, 6)
    fused = fuse_maps({"fine": fine, "coarse": coarse}, {"fine": place(8), "coarse": place(16, offset)})
    torch.testing.assert_close(fused[1:-2], fine[1:-2])
    across = fuse_maps({"fine": fine.T, "coarse": coarse.T}, {"fine": place(8), "coarse": place(16, offset)})
    torch.testing.assert_close(across, fused.T)


def test_patches_reach_equally_far_in_pixels() -> None:
    assert [automatic_patch_size(stride) for stride in (1, 2, 4, 8, 16, 32)] == [23, 13, 7, 3, 3, 3]


def test_finest_layer_has_the_smallest_stride() -> None:
    assert finest_layer({"layer3": place(16), "layer2": place(8), "other": place(8)}) == "layer2"
