from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import models

from firstsight.errors import FirstsightError
from firstsight.features import load_extractor
from firstsight.features.sbm import tune_extractor
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.sbm_training import CHECKPOINT, make_jigsaw_network
from firstsight.features.torchvision_trunk import normalise_images

SETTINGS = SbmSettings(
    grid=2,
    permutations=6,
    tile_size=16,
    layer="layer1",
    crops_per_epoch=48,
    validation_crops=24,
    batch_crops=8,
    epochs=3,
    learning_rate=1e-3,
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a ResNet18 to layer2, drawn from a seed."""
    with torch.device("meta"):
        entries = models.resnet18(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for name, value in entries.items():
        if name.startswith(("conv1", "bn1", "layer1", "layer2")):
            if value.ndim == 4:
                drawn[name] = torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5
            elif value.ndim == 1:
                drawn[name] = torch.ones(value.shape) * (0.5 if name.endswith(("weight", "var")) else 0.1)
    path = tmp_path_factory.mktemp("weights") / "resnet18.pth"
    torch.save(drawn, path)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six images of one thing: each quarter has its own colour, with noise over all."""
    folder = tmp_path_factory.mktemp("images")
    colors = np.array([[[200, 40, 40], [40, 200, 40]], [[40, 40, 200], [200, 200, 40]]])
    paths = []
    for index in range(6):
        noise = np.random.default_rng(index).normal(0, 10, (36, 33, 3))
        thing = np.kron(colors, np.ones((18, 17, 1)))[:, :33] + noise
        paths.append(folder / f"{index}.png")
        Image.fromarray(thing.clip(0, 255).astype(np.uint8)).save(paths[-1])
    return paths


def tune(
    images: list[Path],
    weights: Path,
    folder: Path,
    settings: SbmSettings = SETTINGS,
    **others: Any,
) -> dict[str, torch.Tensor]:
    settled: dict[str, Any] = {"extractor": "resnet18", "device": "cpu"}
    settled |= {"image_size": lambda height, width: (height, width)} | others
    return tune_extractor(images, weights=str(weights), settings=settings, folder=folder, **settled)


def stop_after(epochs: int) -> Callable[..., Any]:
    """A progress that kills the tuning when it begins the next epoch."""

    def progress(items: range, total: int) -> Iterator[int]:
        for count, item in enumerate(items):
            if count == epochs:
                raise KeyboardInterrupt
            yield item

    return progress


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def test_the_order_of_a_things_parts_is_learned(images: list[Path], weights: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    tune(images, weights, tmp_path, replace(SETTINGS, epochs=6), note=notes.append)
    assert len(notes) == 7
    accuracies = [float(line.split("accuracy ")[1]) for line in notes[:-1]]
    assert accuracies[-1] >= 0.8
    assert notes[-1].startswith("tuned resnet18 to layer1 on 4 images: ")
    assert notes[-1].endswith(" of the permutations found in 2 held-out images, 17% by chance")


def test_tuned_weights_are_weights_of_the_extractor(images: list[Path], weights: Path, tmp_path: Path) -> None:
    before = torch.load(weights, weights_only=True)
    tuned = tune(images, weights, tmp_path / "folder")
    assert tuned.keys() == before.keys()
    assert all(value.device.type == "cpu" and value.is_contiguous() for value in tuned.values())
    assert not any(value.requires_grad for value in tuned.values())
    changed = {name for name in tuned if not torch.equal(tuned[name], before[name])}
    # Statistics of the batch normalisation stay as they are, and so do the layers beyond the last that is tuned.
    assert changed == {name for name in before if not name.startswith("layer2") and "running" not in name}
    path = tmp_path / "tuned.pth"
    torch.save(tuned, path)
    crop = torch.rand((1, 3, 40, 40), generator=torch.Generator().manual_seed(0))
    layers = ("layer1", "layer2")
    found, expected = (load_extractor("resnet18", weights=file, layers=layers)(crop) for file in (path, weights))
    assert all(not torch.allclose(found[layer], expected[layer]) for layer in layers)
    assert same(torch.load(weights, weights_only=True), before)


@pytest.mark.parametrize(
    ("extractor", "layer"), [("resnet18", "layer2"), ("wide_resnet50_2", "layer1"), ("vgg19", "features.3")]
)
def test_the_trunk_that_is_tuned_is_the_extractor(extractor: str, layer: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        entries = models.get_model(extractor, weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    names = ("conv1", "bn1", "layer1", "layer2.", "features.0", "features.2")
    state_dict = {
        name: torch.rand(value.shape, generator=generator) / max(1, value[0].numel())
        for name, value in entries.items()
        if name.startswith(names) and value.ndim and (extractor != "wide_resnet50_2" or "layer2" not in name)
    }
    network = make_jigsaw_network(extractor, layer, state_dict, SETTINGS, "cpu")
    images = torch.rand((2, 3, 40, 33), generator=generator)
    torch.save(state_dict, tmp_path / "weights.pth")
    expected = load_extractor(extractor, weights=tmp_path / "weights.pth", layers=layer)(images)[layer]
    found = network.trunk(normalise_images(images))[layer]
    torch.testing.assert_close(found.detach(), expected)
    assert expected.std() > 0
    assert network(images).tolist() == [[0.0] * SETTINGS.permutations] * 2


def test_the_packaged_network_is_tuned(images: list[Path], tmp_path: Path) -> None:
    notes: list[str] = []
    tuned = tune_extractor(
        images,
        extractor="efficientnet_lite0",
        weights=None,
        settings=replace(SETTINGS, layer="stage1", epochs=4),
        image_size=lambda height, width: (height, width),
        device="cpu",
        folder=tmp_path,
        note=notes.append,
    )
    assert notes[-1].startswith("tuned efficientnet_lite0 to stage1 on 4 images: ")
    torch.save(tuned, tmp_path / "tuned.pth")
    crop = torch.rand((1, 3, 40, 40), generator=torch.Generator().manual_seed(0))
    own, packaged = (
        load_extractor("efficientnet_lite0", weights=weights, layers=("stage1", "stage2"))(crop)
        for weights in (tmp_path / "tuned.pth", None)
    )
    assert all(own[layer].isfinite().all() for layer in own)
    assert not any(torch.allclose(own[layer], packaged[layer]) for layer in own)


def test_the_seed_alone_decides(images: list[Path], weights: Path, tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=1)
    torch.manual_seed(1)
    untouched = torch.random.get_rng_state()
    first = tune(images, weights, tmp_path / "first", settings)
    assert torch.equal(untouched, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert same(first, tune(images, weights, tmp_path / "second", settings))
    assert not same(first, tune(images, weights, tmp_path / "third", replace(settings, seed=1)))


def test_killed_at_every_epoch_it_ends_with_the_very_same_weights(
    images: list[Path], weights: Path, tmp_path: Path
) -> None:
    expected_notes: list[str] = []
    expected = tune(images, weights, tmp_path / "whole", note=expected_notes.append)
    assert not same(expected, torch.load(weights, weights_only=True))
    notes: list[str] = []
    for _ in range(SETTINGS.epochs - 1):
        with pytest.raises(KeyboardInterrupt):
            tune(images, weights, tmp_path / "parts", progress=stop_after(1), note=notes.append)
    assert same(expected, tune(images, weights, tmp_path / "parts", note=notes.append))
    assert [line for line in notes if not line.startswith("training goes on")] == expected_notes
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [CHECKPOINT]
    assert same(expected, tune(images, weights, tmp_path / "parts", progress=stop_after(0)))


@pytest.mark.parametrize("change", ["cut", "flipped", "settings", "images", "size"])
def test_a_checkpoint_that_does_not_fit_is_noted_and_not_used(
    images: list[Path], weights: Path, tmp_path: Path, change: str
) -> None:
    settings = replace(SETTINGS, epochs=1)
    expected = tune(images, weights, tmp_path / "whole", settings)
    assert not same(expected, torch.load(weights, weights_only=True))
    others: dict[str, dict[str, Any]] = {
        "settings": {"settings": replace(settings, defects=0.2)},
        "images": {"images": images[1:]},
        "size": {"image_size": lambda height, width: (50, 50)},
    }
    usual: dict[str, Any] = {"images": images, "weights": weights, "folder": tmp_path / "other", "settings": settings}
    tune(**usual | others.get(change, {}))
    checkpoint = tmp_path / "other" / CHECKPOINT
    content = checkpoint.read_bytes()
    middle = len(content) // 2
    if change == "cut":
        checkpoint.write_bytes(content[:middle])
    elif change == "flipped":
        checkpoint.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    notes: list[str] = []
    assert same(expected, tune(images, weights, tmp_path / "other", settings, note=notes.append))
    reason = "damaged" if change in ("cut", "flipped") else "of other settings or images"
    assert notes[0] == f"the checkpoint {str(checkpoint)!r} is {reason}: training begins anew"


def test_without_improvement_tuning_stops_and_keeps_the_best(images: list[Path], weights: Path, tmp_path: Path) -> None:
    # The learning rate is high enough for the loss to rise again now and then.
    settings = replace(SETTINGS, epochs=20, patience=1, learning_rate=0.005)
    notes: list[str] = []
    tuned = tune(images, weights, tmp_path / "whole", settings, note=notes.append)
    curve = torch.load(tmp_path / "whole" / CHECKPOINT, weights_only=True)["curve"]
    losses = [validation_loss for _, validation_loss, _ in curve]
    best = losses.index(min(losses))
    assert len(losses) == best + 2 < settings.epochs
    assert notes[-2] == f"no better epoch than {best + 1}: training stops"
    with pytest.raises(KeyboardInterrupt):
        tune(images, weights, tmp_path / "best", settings, progress=stop_after(best + 1))
    network = torch.load(tmp_path / "best" / CHECKPOINT, weights_only=True)["model"]
    assert all(torch.equal(network[f"trunk.{name}"], tuned[name]) for name in tuned if not name.startswith("layer2"))


def test_noise_has_no_order_and_changes_nothing(weights: Path, tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(4)]
    for index, path in enumerate(paths):
        pixels = np.random.default_rng(index).integers(256, size=(32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
    notes: list[str] = []
    found = tune(paths, weights, tmp_path, replace(SETTINGS, epochs=1), note=notes.append)
    assert notes[-1].startswith("the jigsaw was not learned (validation loss ")
    assert same(found, torch.load(weights, weights_only=True))


def test_images_that_cannot_be_used_are_noted_and_left_out(images: list[Path], weights: Path, tmp_path: Path) -> None:
    broken, flat, missing = tmp_path / "broken.png", tmp_path / "flat.png", tmp_path / "missing.png"
    broken.write_bytes(images[0].read_bytes()[:300])
    Image.new("RGB", (40, 40), "gray").save(flat)
    settings = replace(SETTINGS, epochs=1)
    notes: list[str] = []
    expected = tune(images, weights, tmp_path / "whole", settings)
    found = tune(
        [broken, *images[:3], flat, *images[3:], missing], weights, tmp_path / "some", settings, note=notes.append
    )
    assert same(expected, found)
    left_out = [line for line in notes if "left out" in line]
    assert [line.split("'")[1] for line in left_out] == [str(broken), str(flat), str(missing)]
    with pytest.raises(FirstsightError, match="none of the 2 images to tune the extractor with can be used"):
        tune([broken, missing], weights, tmp_path / "none", settings)
    with pytest.raises(FirstsightError, match="none of the 0 images"):
        tune([], weights, tmp_path / "none", settings)


def test_a_single_image_serves_for_validation_too(images: list[Path], weights: Path, tmp_path: Path) -> None:
    notes: list[str] = []
    tune(images[:1], weights, tmp_path, replace(SETTINGS, epochs=1), note=notes.append)
    assert notes[0] == "there is one image only: its crops serve for validation, too"


def test_mistakes_are_one_clear_line(images: list[Path], weights: Path, tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="extractor laws has no weights to tune"):
        tune(images, weights, tmp_path, extractor="laws")
    with pytest.raises(FirstsightError, match="unknown layer 'layer9' of extractor resnet18"):
        tune(images, weights, tmp_path, replace(SETTINGS, layer="layer9"))
    with pytest.raises(FirstsightError, match="the weights lack what resnet18 to layer3 needs"):
        tune(images, weights, tmp_path, replace(SETTINGS, layer=None))
    with pytest.raises(FirstsightError, match="the jigsaw diverged in epoch 1: choose a lower learning_rate"):
        tune(images, weights, tmp_path, replace(SETTINGS, learning_rate=1e30))
    bad: dict[str, Any] = {"grid": 1, "permutations": 1, "epochs": 0, "patience": 0, "seed": -1}
    for name, value in bad.items():
        with pytest.raises(FirstsightError, match=f"{name} is {value}, but must be at least"):
            SbmSettings(**{name: value})
    with pytest.raises(FirstsightError, match="defects is 2"):
        SbmSettings(defects=2)
    with pytest.raises(FirstsightError, match="learning_rate is 0"):
        SbmSettings(learning_rate=0)


@pytest.mark.gpu
def test_tuning_on_a_gpu(images: list[Path], weights: Path, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    on_cpu: list[str] = []
    on_gpu: list[str] = []
    tune(images, weights, tmp_path / "cpu", note=on_cpu.append)
    tuned = tune(images, weights, tmp_path / "gpu", device="cuda", note=on_gpu.append)
    assert all(value.device.type == "cpu" for value in tuned.values())
    first = [float(notes[0].split("training loss ")[1].split(",")[0]) for notes in (on_cpu, on_gpu)]
    assert first[0] == pytest.approx(first[1], rel=0.05)
