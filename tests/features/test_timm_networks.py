"""Networks of timm as extractors: a CNN, one with TensorFlow's padding, a hybrid, and a transformer."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from firstsight.errors import WeightsError
from firstsight.features.extractor import load_extractor
from firstsight.features.registry import EXTRACTORS, find_extractor
from firstsight.features.state_dicts import load_state_dict
from firstsight.features.tiling import extract_tiled
from firstsight.features.timm_networks import build, make_network, require_fitting
from firstsight.features.weights import Weights

Measured = Callable[[str], Path]

MODELS = ("test_resnet", "test_efficientnet", "mobilevit_xxs", "small_vit_patch14")
CPU = torch.device("cpu")


def image(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("border", ["reflect", "paper"])
def test_images_of_any_size_have_the_cells_of_the_layers(measured: Measured, model: str, border: str) -> None:
    extractor = load_extractor(f"timm/{model}", weights=measured(model), border=border)
    for height, width in ((97, 75), (101, 130)):
        maps = extractor(image(height, width))
        assert tuple(maps) == extractor.spec.default_layers
        for layer, values in maps.items():
            place = extractor.spec.layers[layer]
            assert tuple(values.shape[2:]) == (place.cells(height), place.cells(width))
            assert bool(values.isfinite().all())


def test_tiles_equal_the_whole(measured: Measured) -> None:
    weights = measured("test_resnet")
    layers = find_extractor("timm/test_resnet", weights).context_layers
    extractor = load_extractor("timm/test_resnet", weights=weights, layers=layers)
    assert all(extractor.spec.layers[layer].reach for layer in layers)
    picture = image(331, 275)
    whole, tiled = extractor(picture), extract_tiled(extractor, picture, pixels=128**2)
    for layer in layers:
        assert (whole[layer] - tiled[layer]).abs().max() <= 1e-5 * whole[layer].abs().max()


def test_what_sees_the_whole_image_is_never_cut(measured: Measured) -> None:
    extractor = load_extractor("timm/small_vit_patch14", weights=measured("small_vit_patch14"))
    picture = image(99, 120)
    whole, tiled = extractor(picture), extract_tiled(extractor, picture, pixels=28**2)
    assert all(torch.equal(whole[layer], tiled[layer]) for layer in whole)


def test_the_geometry_of_a_resnet_is_that_of_the_registry(measured: Measured) -> None:
    place = find_extractor("timm/resnet18", measured("resnet18"))
    for stage in (1, 2, 3, 4):
        own, other = place.layers[f"stage{stage}"], EXTRACTORS["resnet18"].layers[f"layer{stage}"]
        assert own.stride == other.stride
        assert abs(own.offset - other.offset) <= 2
        assert own.reach is not None
        assert other.reach is not None
        assert abs(own.reach - other.reach) <= 2 * own.stride
    assert (place.default_layers, place.context_layers) == (("stage1", "stage2"), ("stage2", "stage3"))


def test_folded_normalisations_change_nothing(measured: Measured) -> None:
    weights = measured("test_resnet")
    state_dict, _ = load_state_dict(Weights("timm/test_resnet", file=weights))
    network = make_network("timm/test_resnet", [2], state_dict)
    built = build("timm/test_resnet", ("stage2",), border="paper", state_dict=state_dict, device=CPU)
    configuration = network.pretrained_cfg
    mean, deviation = (torch.tensor(configuration[key])[:, None, None] for key in ("mean", "std"))
    picture = image(64, 96)
    expected = network((picture - mean) / deviation)[0]
    assert torch.allclose(
        built(picture)["stage2"], expected, rtol=1e-4, atol=1e-5 * float(expected.detach().abs().max())
    )


def test_padding_like_tensorflows_reflects_too() -> None:
    """An image that is its own mirror image has maps that are: but for the lopsided padding, nothing else breaks it."""
    state_dict = make_network("timm/tf_efficientnet_lite0", None, {}).state_dict()
    network = build("timm/tf_efficientnet_lite0", ("stage0",), border="reflect", state_dict=state_dict, device=CPU)
    flat = torch.full((1, 3, 64, 64), 0.3)
    values = network(flat)["stage0"]
    assert torch.allclose(values, values[:, :, 8:9, 8:9].expand_as(values), atol=1e-5)
    zeros = build("timm/tf_efficientnet_lite0", ("stage0",), border="paper", state_dict=state_dict, device=CPU)
    bordered = zeros(flat)["stage0"]
    assert not torch.allclose(bordered, bordered[:, :, 8:9, 8:9].expand_as(bordered), atol=1e-5)


def test_an_expanded_activation_is_a_layer() -> None:
    network = make_network("timm/tf_efficientnet_lite0", [1], {})
    assert network.feature_info.channels() == [144]
    assert len(network.blocks) == 2, "deeper blocks are not computed"
    assert any(isinstance(module, Conv2dSame) for module in network.modules())


def test_weights_of_another_network_are_refused(measured: Measured) -> None:
    state_dict, _ = load_state_dict(Weights("timm/test_resnet", file=measured("test_resnet")))
    with pytest.raises(WeightsError, match=r"^the weights are not those of timm/resnet18: ") as caught:
        require_fitting("timm/resnet18", state_dict)
    assert "\n" not in str(caught.value)


def test_weights_with_other_classes_fit(measured: Measured) -> None:
    state_dict, _ = load_state_dict(Weights("timm/test_resnet", file=measured("test_resnet")))
    width = state_dict["fc.weight"].shape[1]
    linear = nn.Linear(width, 3)
    require_fitting("timm/test_resnet", {**state_dict, "fc.weight": linear.weight.data, "fc.bias": linear.bias.data})
