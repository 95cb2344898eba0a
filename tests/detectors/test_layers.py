"""Scaling of feature channels and fusion of the maps of several layers."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from firstsight.detectors.layers import automatic_patch_size, finest_layer, fuse_maps, read_at, scale_channels
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


def obvious_fusion(maps: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """Cell by cell: the weighted mean of logarithms, weights by the median over the median absolute deviation."""
    weights, medians = [], []
    for values in maps:
        medians.append(np.sort(values.ravel())[(values.size - 1) // 2])
        deviation = np.sort(abs(values - medians[-1]).ravel())[(values.size - 1) // 2]
        weights.append((medians[-1] / max(deviation, 0.02 * medians[-1])) ** 2)
    fused = np.zeros(maps[0].shape)
    for place in np.ndindex(fused.shape):
        scores = [max(values[place], 0.01 * median) for values, median in zip(maps, medians, strict=True)]
        fused[place] = np.exp(sum(w * np.log(score) for w, score in zip(weights, scores, strict=True)) / sum(weights))
    return fused


@pytest.mark.parametrize("shape", [(8, 6), (7, 11), (1, 5)])
def test_maps_are_fused_as_the_obvious_formula_says(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    first, second, third = (torch.rand(shape, generator=generator) * scale for scale in (1, 20, 0.01))
    second = second + 30
    third.ravel()[0] = 0
    maps = {"a": first, "b": second, "c": third}
    fused = fuse_maps(maps, dict.fromkeys(maps, place(8)))
    np.testing.assert_allclose(fused, obvious_fusion([m.double().numpy() for m in maps.values()]), rtol=1e-4)


def test_a_layer_that_scores_evenly_weighs_more() -> None:
    """One layer sees a blob in an even map; the other's scores wander all over the texture and miss it."""
    generator = torch.Generator().manual_seed(2)
    even, wandering = 1 + 0.05 * torch.rand(20, 20, generator=generator), torch.rand(20, 20, generator=generator)
    even[5:8, 5:8] = 2
    fused = fuse_maps({"even": even, "wandering": wandering}, dict.fromkeys(("even", "wandering"), place(8)))
    blob = fused[5:8, 5:8].clone()
    fused[5:8, 5:8] = 0
    assert blob.min() > fused.max()


def test_a_coarse_map_is_read_on_the_finest_grid() -> None:
    fine, coarse = 1 + torch.rand(8, 6, generator=torch.Generator().manual_seed(1)), torch.full((4, 3), 2.0)
    fused = fuse_maps({"coarse": coarse, "fine": fine}, {"coarse": place(16), "fine": place(8)})
    np.testing.assert_allclose(fused, obvious_fusion([fine.double().numpy(), np.full((8, 6), 2.0)]), rtol=1e-4)


def test_maps_without_a_usual_level_are_averaged() -> None:
    """A map that is zero nearly everywhere has no deviation in units of its median; nothing divides by zero."""
    spot, noise = torch.zeros(6, 6), torch.rand(6, 6, generator=torch.Generator().manual_seed(3))
    spot[2, 2] = 1
    places = dict.fromkeys(("spot", "noise"), place(8))
    torch.testing.assert_close(fuse_maps({"spot": spot, "noise": noise}, places), (spot + noise) / 2)
    assert fuse_maps(dict.fromkeys(places, torch.zeros(6, 6)), places).eq(0).all(), "a constant image"
    constant = fuse_maps({"spot": torch.ones(6, 6), "noise": torch.full((6, 6), 4.0)}, places)
    torch.testing.assert_close(constant, torch.full((6, 6), 2.0))


@pytest.mark.parametrize("offset", [0.0, 3.5])
def test_a_coarse_map_is_read_where_the_fine_cells_lie(offset: float) -> None:
    """A ramp over the image stays the same ramp, between the outer cells of the coarse map."""
    fine = 1.0 * 8 * torch.arange(16)[:, None].expand(16, 12)
    coarse = offset + 1.0 * 16 * torch.arange(8)[:, None].expand(8, 6)
    read = read_at(coarse, (16, 12), place(8), place(16, offset))
    torch.testing.assert_close(read[1:-2], fine[1:-2])
    torch.testing.assert_close(read_at(coarse.T, (12, 16), place(8), place(16, offset)), read.T)


def of_window(stride: int, window: float | None, side: int = 384) -> Geometry:
    return Geometry(2 * side, 2 * side, side, 2 * side, stride, 0.0, window)


def test_patches_reach_equally_far_in_pixels() -> None:
    assert [automatic_patch_size(of_window(stride, None)) for stride in (1, 2, 4, 8, 16)] == [27, 15, 7, 5, 3]
    assert [automatic_patch_size(of_window(stride, 80.0)) for stride in (4, 8, 16)] == [15, 7, 5]
    assert automatic_patch_size(of_window(8, 4.0)) == 3, "a window of one cell shows nothing"
    assert automatic_patch_size(of_window(4, 200.0, side=45)) == 11, "no patch is larger than the map"


def test_finest_layer_has_the_smallest_stride() -> None:
    assert finest_layer({"layer3": place(16), "layer2": place(8), "other": place(8)}) == "layer2"
