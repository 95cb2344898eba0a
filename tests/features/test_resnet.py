from pathlib import Path

import pytest
import torch

from firstsight.errors import FirstsightError
from firstsight.features import load_extractor
from oracles.resnet import hooked_features, random_state_dict

CHANNELS = {
    "resnet18": {"layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512},
    "wide_resnet50_2": {"layer1": 256, "layer2": 512, "layer3": 1024, "layer4": 2048},
}


@pytest.fixture(scope="module")
def resnet18_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(random_state_dict("resnet18", seed=0), path)
    return path


def random_images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("border", ["paper", "reflect"])
@pytest.mark.parametrize("size", [(64, 64), (37, 90)])
def test_resnet18_equals_torchvision_exactly(resnet18_file: Path, border: str, size: tuple[int, int]) -> None:
    images = random_images(2, 3, *size)
    extractor = load_extractor("resnet18", weights=resnet18_file, layers=CHANNELS["resnet18"], border=border)
    found = extractor(images)
    expected = hooked_features("resnet18", random_state_dict("resnet18", seed=0), images, border)
    assert list(found) == list(CHANNELS["resnet18"])
    for layer, features in found.items():
        assert torch.equal(features, expected[layer])
        assert features.is_contiguous()


def test_wide_resnet50_2_has_torchvisions_names_and_shapes(tmp_path: Path) -> None:
    state_dict = random_state_dict("wide_resnet50_2", seed=1, last="layer3")
    torch.save(state_dict, tmp_path / "wide.pth")
    layers = ("layer1", "layer2", "layer3")
    extractor = load_extractor("wide_resnet50_2", weights=tmp_path / "wide.pth", layers=layers, border="paper")
    images = random_images(1, 3, 50, 65)
    found = extractor(images)
    expected = hooked_features("wide_resnet50_2", state_dict, images, "paper")
    for layer, stride in zip(layers, (4, 8, 16), strict=True):
        assert found[layer].shape == (1, CHANNELS["wide_resnet50_2"][layer], -(-50 // stride), -(-65 // stride))
        assert torch.equal(found[layer], expected[layer])


def test_a_layer_is_the_same_alone_and_among_others(resnet18_file: Path) -> None:
    images = random_images(1, 3, 40, 40)
    several = load_extractor("resnet18", weights=resnet18_file, layers=["layer1", "layer3"])(images)
    assert list(several) == ["layer1", "layer3"]
    for layer in several:
        alone = load_extractor("resnet18", weights=resnet18_file, layers=[layer])(images)
        assert list(alone) == [layer]
        assert torch.equal(alone[layer], several[layer])


def test_a_truncated_state_dict_serves_down_to_its_last_layer(tmp_path: Path) -> None:
    path = tmp_path / "trunk.pth"
    state_dict = random_state_dict("resnet18", seed=0, last="layer3")
    torch.save({key: value for key, value in state_dict.items() if "num_batches_tracked" not in key}, path)
    images = random_images(1, 3, 40, 40)
    for layer in ("layer2", "layer3"):
        features = load_extractor("resnet18", weights=path, layers=[layer])(images)[layer]
        assert torch.equal(features, hooked_features("resnet18", state_dict, images, "reflect")[layer])
    with pytest.raises(FirstsightError, match=r"lack what resnet18 to layer4 needs: layer4.0.conv1.weight, .* more"):
        load_extractor("resnet18", weights=path, layers=["layer4"])


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    torch.save(random_state_dict("resnet34", seed=0), tmp_path / "resnet34.pth")
    with pytest.raises(FirstsightError, match=r"not those of resnet18 to layer2, which has no layer1\.2"):
        load_extractor("resnet18", weights=tmp_path / "resnet34.pth")
    torch.save(random_state_dict("resnet50", seed=0, last="layer2"), tmp_path / "resnet50.pth")
    with pytest.raises(FirstsightError, match=r"layer1.0.conv1.weight is \(64, 64, 1, 1\), not \(128, 64, 1, 1\)"):
        load_extractor("wide_resnet50_2", weights=tmp_path / "resnet50.pth")


def test_reflecting_borders_leave_a_constant_image_constant(resnet18_file: Path) -> None:
    images = torch.full((1, 3, 75, 64), 0.4)
    layers = ["layer1", "layer2", "layer3"]

    def spread(border: str) -> dict[str, float]:
        features = load_extractor("resnet18", weights=resnet18_file, layers=layers, border=border)(images)
        return {layer: (maps.amax((2, 3)) - maps.amin((2, 3))).max().item() for layer, maps in features.items()}

    assert max(spread("reflect").values()) < 1e-4
    assert min(spread("paper").values()) > 0.1


def test_symmetric_kernels_see_the_mirrored_image(tmp_path: Path) -> None:
    """A convolution commutes with mirroring where its kernel is symmetric: then the frame is that of a larger image."""
    state_dict = random_state_dict("resnet18", seed=2, last="layer2")
    for key, value in state_dict.items():
        if value.ndim == 4:
            mirrored = value + value.flip(2)
            state_dict[key] = (mirrored + mirrored.flip(3)) / 4
    torch.save(state_dict, tmp_path / "symmetric.pth")
    extractor = load_extractor("resnet18", weights=tmp_path / "symmetric.pth")
    # Of size 8 n + 1, so that a cell of stride 8 lies on every edge of the mirror.
    images = random_images(1, 3, 81, 97)
    larger = torch.nn.functional.pad(images, (64, 64, 64, 64), mode="reflect")
    found, expected = extractor(images)["layer2"], extractor(larger)["layer2"][:, :, 8:19, 8:21]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_real_trunk(shared: Path) -> None:
    path = shared / "weights/resnet18_imagenet_trunk_layer3.pth"
    images = random_images(2, 3, 70, 101)
    for border in ("paper", "reflect"):
        extractor = load_extractor("resnet18", weights=path, layers=["layer2", "layer3"], border=border)
        assert extractor.weights_sha256 == "da8310f49a7798f27a596797f7de070454c27b582a9c0f5073c241d902b4d4b3"
        expected = hooked_features("resnet18", torch.load(path, weights_only=True), images, border)
        for layer, features in extractor(images).items():
            assert torch.equal(features, expected[layer])
            assert 0 < features.mean() < 2
