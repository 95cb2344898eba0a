"""Features tile by tile equal those of the whole image, and a cell sees no further than its layer says."""

import pytest
import torch
from torchvision.models import resnet18, vgg19, wide_resnet50_2

from firstsight.features import EXTRACTORS, load_extractor
from firstsight.features.tiling import extract_tiled

NETWORKS = {"resnet18": resnet18, "wide_resnet50_2": wide_resnet50_2, "vgg19": vgg19}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Random weights of every network, in a file."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    files = {}
    for name, network in NETWORKS.items():
        files[name] = str(folder / f"{name}.pth")
        state_dict = network(weights=None).state_dict()
        if name == "vgg19":
            state_dict = {key: value for key, value in state_dict.items() if key.startswith("features.")}
        torch.save(state_dict, files[name])
    return files


LAYERS = {
    "efficientnet_lite0": ("stage1", "stage2"),
    "vgg19": ("features.4", "features.16"),
    "resnet18": ("layer1", "layer3"),
    "wide_resnet50_2": ("layer2",),
}
"""Of networks only these: an image must be wider than twice the reach, and deep layers reach far."""


def layers_of(name: str) -> tuple[str, ...]:
    return LAYERS.get(name, tuple(EXTRACTORS[name].layers))


@pytest.mark.parametrize("name", EXTRACTORS)
@pytest.mark.parametrize("size", [(150, 261)])
def test_tiles_have_no_seams(name: str, size: tuple[int, int], weights: dict[str, str]) -> None:
    extractor = load_extractor(name, weights=weights.get(name), layers=layers_of(name))
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    whole, tiled = extractor(image), extract_tiled(extractor, image, pixels=64**2)
    assert list(whole) == list(tiled)
    for layer, features in whole.items():
        assert features.shape == tiled[layer].shape
        scale = float(features.abs().max())
        torch.testing.assert_close(tiled[layer], features.cpu(), rtol=1e-5, atol=1e-5 * scale)


@pytest.mark.parametrize("name", EXTRACTORS)
def test_a_cell_sees_as_far_as_its_layer_says(name: str, weights: dict[str, str]) -> None:
    for layer in layers_of(name):
        extractor = load_extractor(name, weights=weights.get(name), layers=(layer,))
        place = EXTRACTORS[name].layers[layer]
        assert place.reach is not None
        side = 2 * (place.reach + 3 * place.stride)
        image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(2))
        cell = side // 2 // place.stride
        centre = round(place.offset + place.stride * cell)
        beyond = torch.ones(side, dtype=torch.bool)
        beyond[max(0, centre - place.reach) : centre + place.reach + 1] = False
        changed = image.clone()
        changed[..., beyond, :] = 1 - changed[..., beyond, :]
        changed[..., :, beyond] = 1 - changed[..., :, beyond]
        before, after = extractor(image)[layer], extractor(changed)[layer]
        torch.testing.assert_close(after[..., cell, cell], before[..., cell, cell], rtol=1e-5, atol=1e-6)
        assert not torch.equal(before, after)


def test_an_image_of_one_tile_is_computed_at_once() -> None:
    extractor = load_extractor("laws")
    image = torch.rand(1, 3, 64, 50)
    torch.testing.assert_close(extract_tiled(extractor, image)["energy"], extractor(image)["energy"])
