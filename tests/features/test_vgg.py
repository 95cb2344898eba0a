from pathlib import Path

import pytest
import torch

from firstsight.errors import FirstsightError
from firstsight.features import EXTRACTORS, load_extractor
from oracles.vgg import geometry, hooked_features, random_state_dict

LAYERS = EXTRACTORS["vgg19"].layers


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, torch.Tensor]]:
    """A file of random weights for the whole trunk, and its content."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    state_dict = random_state_dict(seed=0)
    torch.save(state_dict, path)
    return path, state_dict


def random_images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("border", ["paper", "reflect"])
@pytest.mark.parametrize("size", [(64, 64), (39, 75)])
def test_every_layer_equals_torchvision_exactly(
    weights: tuple[Path, dict[str, torch.Tensor]], border: str, size: tuple[int, int]
) -> None:
    path, state_dict = weights
    images = random_images(2, 3, *size)
    found = load_extractor("vgg19", weights=path, layers=LAYERS, border=border)(images)
    expected = hooked_features(state_dict, images, border)
    assert list(found) == list(LAYERS) == list(expected)
    for layer, features in found.items():
        assert torch.equal(features, expected[layer])
        assert features.is_contiguous()
        stride = LAYERS[layer].stride
        assert features.shape[2:] == (size[0] // stride, size[1] // stride)


@pytest.mark.parametrize("position", range(37))
def test_geometry_is_that_of_the_kernels(position: int) -> None:
    layer = LAYERS[f"features.{position}"]
    assert (layer.stride, layer.offset) == geometry(position)


def test_the_layers_of_the_papers(weights: tuple[Path, dict[str, torch.Tensor]]) -> None:
    """224 x 224: SSDnet's eighth layer is (128, 112, 112); the FCA paper takes the first two convolutions."""
    path, _ = weights
    (features,) = load_extractor("vgg19", weights=path)(random_images(1, 3, 224, 224)).values()
    assert features.shape == (1, 128, 112, 112)
    assert features.min() == 0
    both = load_extractor("vgg19", weights=path, layers=["features.0", "features.2"])(random_images(1, 3, 50, 40))
    for features in both.values():
        assert features.shape == (1, 64, 50, 40)
        assert features.min() < 0


def test_a_layer_is_the_same_alone_and_among_others(weights: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, _ = weights
    images = random_images(1, 3, 40, 40)
    several = load_extractor("vgg19", weights=path, layers=["features.1", "features.0", "features.5"])(images)
    assert list(several) == ["features.0", "features.1", "features.5"]
    for layer, features in several.items():
        assert torch.equal(load_extractor("vgg19", weights=path, layers=[layer])(images)[layer], features)


def test_a_truncated_state_dict_serves_down_to_its_last_layer(tmp_path: Path) -> None:
    path = tmp_path / "trunk.pth"
    torch.save(random_state_dict(seed=0, last=10), path)
    images = random_images(1, 3, 40, 40)
    # A ReLU and a pooling have no weights of their own.
    assert list(load_extractor("vgg19", weights=path, layers=["features.11"])(images)) == ["features.11"]
    with pytest.raises(FirstsightError, match=r"lack what vgg19 to features.12 needs: features.12.weight, features.12"):
        load_extractor("vgg19", weights=path, layers=["features.12"])


def test_weights_of_another_architecture_are_refused(
    tmp_path: Path, weights: tuple[Path, dict[str, torch.Tensor]]
) -> None:
    _, state_dict = weights
    # VGG16 has a pooling at position 16 and a convolution at 17; with batch norms, position 1 has weights.
    for key in ("features.17.weight", "features.1.weight"):
        torch.save({**state_dict, key: torch.ones(3)}, tmp_path / "other.pth")
        with pytest.raises(FirstsightError, match=f"not those of vgg19 to features.8, which has no {key}"):
            load_extractor("vgg19", weights=tmp_path / "other.pth")
    torch.save({**state_dict, "classifier.0.weight": torch.ones(3)}, tmp_path / "whole.pth")
    load_extractor("vgg19", weights=tmp_path / "whole.pth")


def test_reflecting_borders_leave_a_constant_image_constant(weights: tuple[Path, dict[str, torch.Tensor]]) -> None:
    path, _ = weights
    images = torch.full((1, 3, 75, 64), 0.4)
    layers = ["features.2", "features.8", "features.16", "features.23"]

    def spread(border: str) -> list[float]:
        features = load_extractor("vgg19", weights=path, layers=layers, border=border)(images)
        return [(maps.amax((2, 3)) - maps.amin((2, 3))).max().item() for maps in features.values()]

    assert max(spread("reflect")) < 1e-4
    assert min(spread("paper")) > 0.1


def test_the_real_trunk(shared: Path) -> None:
    path = shared / "weights/vgg19_oxford_features0_to_16.pth"
    images = random_images(2, 3, 37, 54)
    state_dict = torch.load(path, weights_only=True)
    for border in ("paper", "reflect"):
        extractor = load_extractor(
            "vgg19", weights=path, layers=["features.2", "features.8", "features.17"], border=border
        )
        assert extractor.weights_sha256 is not None
        assert extractor.weights_sha256.startswith("663d2101")
        expected = hooked_features(state_dict, images, border)
        found = extractor(images)
        for layer, features in found.items():
            assert torch.equal(features, expected[layer])
            assert features.isfinite().all()
