"""The network that comes with the package: timm's, its weights, and where its cells lie."""

import math
from pathlib import Path

import pytest
import skimage.data
import torch
from torch import Tensor

from firstsight.errors import FirstsightError
from firstsight.features import EXTRACTORS, load_extractor
from firstsight.features.efficientnet import _GROUPS, make_trunk, normalise_images
from firstsight.features.state_dicts import load_state_dict
from firstsight.features.weights import resolve_weights, weights_fingerprint
from oracles.efficientnet import expanded_activations

NAME = "efficientnet_lite0"
LAYERS = EXTRACTORS[NAME].layers
BLOCKS = {"stage1": 3, "stage2": 5, "stage3": 11}


def random_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


def packaged_state_dict() -> dict[str, Tensor]:
    return load_state_dict(resolve_weights(NAME))[0]


@pytest.mark.parametrize("size", [(64, 96), (160, 64)])
def test_it_equals_timm(size: tuple[int, int]) -> None:
    images = random_images(2, 3, *size)
    found = load_extractor(NAME, layers=LAYERS, border="paper")(images)
    expected = expanded_activations(images)
    assert [features.shape[1] for features in found.values()] == [144, 240, 672]
    for layer, features in found.items():
        torch.testing.assert_close(features, expected[layer], rtol=1e-4, atol=1e-4)
        assert features.is_contiguous()


def test_reflecting_borders_change_the_frame_only() -> None:
    images = random_images(1, 3, 160, 160)
    reflected, padded = (
        load_extractor(NAME, layers=["stage1", "stage2"], border=border)(images) for border in ("reflect", "paper")
    )
    for layer, frame in {"stage1": 3, "stage2": 5}.items():
        inner = (..., slice(frame, -frame), slice(frame, -frame))
        torch.testing.assert_close(reflected[layer][inner], padded[layer][inner], rtol=1e-4, atol=1e-4)
        assert not torch.allclose(reflected[layer], padded[layer], atol=0.1)


def test_reflecting_borders_leave_a_constant_image_constant() -> None:
    for layer, features in load_extractor(NAME, layers=LAYERS)(torch.full((1, 3, 75, 64), 0.4)).items():
        assert (features.amax((2, 3)) - features.amin((2, 3))).max() < 1e-3, layer


@pytest.mark.parametrize("size", [(33, 33), (70, 101), (97, 48)])
@pytest.mark.parametrize("border", ["reflect", "paper"])
def test_any_size_has_a_cell_for_every_begun_stride(size: tuple[int, int], border: str) -> None:
    images = random_images(1, 3, *size)
    for layer, features in load_extractor(NAME, layers=LAYERS, border=border)(images).items():
        stride = LAYERS[layer].stride
        assert features.shape[2:] == (math.ceil(size[0] / stride), math.ceil(size[1] / stride))


def test_cells_do_not_move_with_the_size_of_the_image() -> None:
    images = random_images(1, 3, 203, 214)
    extractor = load_extractor(NAME, layers=["stage1", "stage2"])
    whole = extractor(images)
    for cut in range(1, 17):
        part = extractor(images[..., : 203 - cut, : 214 - cut].contiguous())
        for layer, frame in {"stage1": 8, "stage2": 8}.items():
            inner = (..., slice(0, part[layer].shape[2] - frame), slice(0, part[layer].shape[3] - frame))
            torch.testing.assert_close(part[layer][inner], whole[layer][inner], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("layer", LAYERS)
def test_the_smallest_side_is_the_smallest(layer: str) -> None:
    extractor = load_extractor(NAME, layers=[layer])
    side = LAYERS[layer].smallest_side
    assert extractor(random_images(1, 3, side, side))[layer].isfinite().all()
    with pytest.raises(FirstsightError, match=f"at least {side} x {side}"):
        extractor(random_images(1, 3, side - 1, side))


def test_the_reach_follows_from_kernels_and_strides() -> None:
    first, last, stride, blocks = 0, 2, 2, 0
    found = {}
    for group in _GROUPS:
        for number in range(group.blocks):
            step = group.stride if number == 0 else 1
            before = (group.kernel - step) // 2
            first, last = first - before * stride, last + (group.kernel - 1 - before) * stride
            stride *= step
            blocks += 1
            for layer in (layer for layer, count in BLOCKS.items() if count == blocks):
                place = LAYERS[layer]
                assert place.stride == stride
                found[layer] = math.ceil(max(place.offset - first, last - place.offset))
    assert found == {layer: place.reach for layer, place in LAYERS.items()}


@pytest.mark.parametrize(("layer", "tolerance"), [("stage1", 0.5), ("stage2", 0.5), ("stage3", 1.5)])
def test_offsets_are_where_gradients_have_their_centre_of_gravity(layer: str, tolerance: float) -> None:
    trunk = make_trunk(NAME, layer, packaged_state_dict()).eval()
    place = LAYERS[layer]
    pixels = torch.arange(512.0)
    centres = []
    for texture in ("brick", "grass", "gravel"):
        image = torch.as_tensor(getattr(skimage.data, texture)()).float().div(255).expand(1, 3, 512, 512)
        for cell in range(192 // place.stride, 320 // place.stride, 64 // place.stride):
            seen = image.clone().requires_grad_()
            features = trunk(normalise_images(seen))[layer][0, :, cell, cell]
            signs = torch.randn(features.shape, generator=torch.Generator().manual_seed(cell))
            (gradient,) = torch.autograd.grad((features * signs).sum(), seen)
            weight = gradient.abs().sum((0, 1))
            for axis in (0, 1):
                centre = (weight.sum(1 - axis) * pixels).sum() / weight.sum()
                centres.append(float(centre) - place.stride * cell)
    assert sum(centres) / len(centres) == pytest.approx(place.offset, abs=tolerance)


def test_the_weights_come_with_the_package() -> None:
    resolved = resolve_weights(NAME)
    assert resolved.file is not None
    assert resolved.file.is_file()
    assert weights_fingerprint(NAME) == resolved.file.stem.rpartition("-")[2] == "57934424"


def test_a_file_of_ones_own_serves_too(tmp_path: Path) -> None:
    state_dict = {name: value * 0.5 for name, value in packaged_state_dict().items() if value.ndim}
    torch.save(state_dict, tmp_path / "own.pth")
    images = random_images(1, 3, 48, 48)
    own = load_extractor(NAME, weights=tmp_path / "own.pth", layers=["stage2"])(images)["stage2"]
    assert not torch.allclose(own, load_extractor(NAME, layers=["stage2"])(images)["stage2"], atol=0.1)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "other.pth")
    with pytest.raises(FirstsightError, match="the weights lack what efficientnet_lite0 to stage3 needs: _conv_stem"):
        load_extractor(NAME, weights=tmp_path / "other.pth")
