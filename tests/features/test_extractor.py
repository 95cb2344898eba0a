import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.errors import FirstsightError
from firstsight.features import EXTRACTORS, Extractor, load_extractor
from oracles import resnet, vgg

# The deepest layers would take long; of VGG19, whose layers are all alike, one of each stride (test_vgg.py: all).
SKIPPED = {"layer4"} | {f"features.{position}" for position in range(37)} - {f"features.{i}" for i in (2, 4, 8, 16, 19)}
CASES = [(name, layer) for name, spec in EXTRACTORS.items() for layer in spec.layers if layer not in SKIPPED]

# These kernels are not their own mirror images; that they are centred is seen from their oracles. Where the cells of
# EfficientNet lie is seen from its gradients.
LOPSIDED = ("random_kernels", "steerable", "efficientnet_lite0")


@pytest.fixture(scope="module")
def symmetric_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path | None]:
    """Files of positive weights whose kernels are their own mirror images, so that a response keeps its place."""
    files: dict[str, Path | None] = {name: None for name, spec in EXTRACTORS.items() if not spec.weights}
    state_dicts = {
        "resnet18": resnet.random_state_dict("resnet18", seed=3, last="layer3"),
        "wide_resnet50_2": resnet.random_state_dict("wide_resnet50_2", seed=3, last="layer3"),
        "vgg19": vgg.random_state_dict(seed=3, last=19),
    }
    for name, state_dict in state_dicts.items():
        for key, value in state_dict.items():
            if value.ndim == 4:
                flat = value.abs().mean((2, 3), keepdim=True).expand_as(value)
                state_dict[key] = flat / flat.sum((1, 2, 3), keepdim=True)
        files[name] = path = tmp_path_factory.mktemp("weights") / f"{name}.pth"
        torch.save(state_dict, path)
    return files


def random_images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(6))


def cells(extractor: Extractor, layer: str, side: int) -> int:
    """How many cells the registry says that an image's side of this many pixels has."""
    blocks = side / extractor.strides[layer]
    return math.floor(blocks) if extractor.name == "vgg19" else math.ceil(blocks)


@pytest.mark.parametrize(("name", "layer"), [case for case in CASES if case[0] not in LOPSIDED])
def test_cells_lie_where_the_registry_says(symmetric_weights: dict[str, Path | None], name: str, layer: str) -> None:
    """An impulse at the centre of a cell changes the map round that cell, as much on one side as on the other."""
    extractor = load_extractor(name, weights=symmetric_weights[name], layers=[layer], border="paper")
    stride, offset = extractor.strides[layer], extractor.offsets[layer]
    cell = (6, 7)
    # A centre between two pixels is hit by lighting both.
    centres = [offset + stride * index for index in cell]
    row, column = (slice(math.floor(centre), math.ceil(centre) + 1) for centre in centres)
    # Brightness in the middle leaves the network no reason to treat an impulse up and down differently.
    images = torch.full((1, 3, 13 * stride, 15 * stride), 0.5)
    before = extractor(images)[layer]
    images[:, :, row, column] = 1
    change = (extractor(images)[layer] - before).abs().sum((0, 1)).double()
    change[change < 1e-4 * change.max()] = 0
    peak = divmod(int(change.argmax()), change.shape[1])
    centre = [float((change.sum(1 - axis) * torch.arange(change.shape[axis])).sum() / change.sum()) for axis in (0, 1)]
    assert peak == cell
    assert centre == pytest.approx(cell, abs=0.02)


@pytest.mark.parametrize(("name", "layer"), CASES)
@pytest.mark.parametrize("border", ["reflect", "paper"])
def test_the_smallest_image_is_the_smallest_that_torch_can_pad(
    symmetric_weights: dict[str, Path | None], name: str, layer: str, border: str
) -> None:
    extractor = load_extractor(name, weights=symmetric_weights[name], layers=[layer], border=border)
    side = extractor.smallest_side
    assert side == EXTRACTORS[name].layers[layer].smallest_side or border == "paper"
    features = extractor(random_images(1, 3, side, side + 1))[layer]
    assert features.shape[2:] == (cells(extractor, layer, side), cells(extractor, layer, side + 1))
    assert features.isfinite().all()
    if side > 1:
        with pytest.raises(RuntimeError), torch.inference_mode():
            extractor.network(random_images(1, 3, side + 1, side - 1))
        with pytest.raises(FirstsightError, match=f"image {side - 1} x {side + 1} .W x H. is too small for {name} to"):
            extractor(random_images(1, 3, side + 1, side - 1))


def test_the_text_for_an_image_too_small(symmetric_weights: dict[str, Path | None]) -> None:
    extractor = load_extractor("resnet18", weights=symmetric_weights["resnet18"])
    for height, width in ((2, 20000), (1, 1)):
        with pytest.raises(FirstsightError) as error:
            extractor(random_images(1, 3, height, width))
        assert str(error.value) == (
            f"image {width} x {height} (W x H) is too small for resnet18 to layer2: at least 9 x 9"
        )


@pytest.mark.parametrize("name", [name for name in EXTRACTORS if name != "wide_resnet50_2"])
@pytest.mark.parametrize("size", [(64, 64), (33, 57)])
def test_a_batch_equals_its_images(symmetric_weights: dict[str, Path | None], name: str, size: tuple[int, int]) -> None:
    extractor = load_extractor(name, weights=symmetric_weights[name])
    images = random_images(3, 3, *size)
    for layer, batch in extractor(images).items():
        assert batch.shape[2:] == tuple(cells(extractor, layer, side) for side in size)
        assert batch.dtype == torch.float32
        assert batch.is_inference()
        for index in range(3):
            single = extractor(images[index : index + 1])[layer][0]
            torch.testing.assert_close(batch[index], single, rtol=1e-5, atol=1e-5)


def test_the_images_are_not_changed(symmetric_weights: dict[str, Path | None]) -> None:
    images = random_images(1, 3, 40, 40)
    before = images.clone()
    for name in EXTRACTORS:
        for features in load_extractor(name, weights=symmetric_weights[name])(images).values():
            with torch.inference_mode():
                features.zero_()
    assert torch.equal(images, before)


def test_attributes(symmetric_weights: dict[str, Path | None]) -> None:
    extractor = load_extractor("resnet18", weights=symmetric_weights["resnet18"], layers=["layer3", "layer1"])
    assert extractor.name == "resnet18"
    assert extractor.layers == ("layer1", "layer3")
    assert extractor.strides == {"layer1": 4, "layer3": 16}
    assert extractor.offsets == {"layer1": 0.0, "layer3": 0.0}
    assert extractor.border == "reflect"
    assert extractor.device == torch.device("cpu")
    assert extractor.weights_sha256 is not None
    assert len(extractor.weights_sha256) == 64
    assert load_extractor("laws").weights_sha256 is None
    assert list(load_extractor("laws")(random_images(1, 3, 20, 20))) == ["energy"]


@pytest.mark.parametrize(
    ("settings", "part"),
    [
        ({"border": "zero"}, "unknown border 'zero': choose one of reflect, paper"),
        ({"layers": ["layer2"]}, "unknown layer 'layer2' of extractor laws: choose from energy"),
        ({"device": "gpu"}, "device 'gpu' cannot be used here"),
        ({"device": "cuda:77"}, "device 'cuda:77' cannot be used here"),
        ({"weights": "IMAGENET1K_V1"}, "extractor laws has no weights"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], part: str) -> None:
    with pytest.raises(FirstsightError, match=part) as error:
        load_extractor("laws", **settings)
    assert "\n" not in str(error.value)


def test_an_unknown_extractor_lists_the_choices() -> None:
    with pytest.raises(FirstsightError, match="unknown extractor 'vgg99': choose one of efficientnet_lite0, colors"):
        load_extractor("vgg99")


@pytest.mark.parametrize(
    ("images", "part"),
    [
        (torch.zeros(3, 32, 32), r"shape \(B, 3, H, W\), not \(3, 32, 32\)"),
        (torch.zeros(1, 1, 32, 32), r"not \(1, 1, 32, 32\)"),
        (torch.zeros(0, 3, 32, 32), r"not \(0, 3, 32, 32\)"),
        (torch.zeros(1, 3, 0, 32), r"not \(1, 3, 0, 32\)"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.uint8), "float32 tensor, not torch.uint8"),
        (torch.zeros(1, 3, 32, 32, dtype=torch.float64), "float32 tensor, not torch.float64"),
        (torch.zeros(1, 3, 32, 32).numpy(), "float32 tensor, not ndarray"),
        (torch.full((1, 3, 32, 32), 255.0), r"lie in \[0, 1\], but hold values from 255 to 255"),
        (torch.full((1, 3, 32, 32), -0.01), "from -0.01 to -0.01"),
        (torch.full((1, 3, 32, 32), torch.nan), "from nan to nan"),
        (torch.full((1, 3, 32, 32), torch.inf), "from inf to inf"),
    ],
)
def test_wrong_images_are_named(images: NDArray[np.float32] | torch.Tensor, part: str) -> None:
    with pytest.raises(FirstsightError, match=part):
        load_extractor("laws")(images)  # type: ignore[arg-type]


def test_rounding_beyond_the_range_is_let_through() -> None:
    images = torch.full((1, 3, 32, 32), 1 + 1e-6)
    images[0, 0] = -1e-6
    assert load_extractor("laws")(images)["energy"].isfinite().all()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", [name for name in EXTRACTORS if name != "wide_resnet50_2"])
def test_a_gpu_gives_the_same_features(symmetric_weights: dict[str, Path | None], name: str) -> None:
    images = random_images(2, 3, 65, 90)
    here = load_extractor(name, weights=symmetric_weights[name])(images)
    there = load_extractor(name, weights=symmetric_weights[name], device="cuda")(images)
    for layer, features in there.items():
        assert features.device.type == "cuda"
        torch.testing.assert_close(features.cpu(), here[layer], rtol=1e-2, atol=1e-2)
