import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.blind.autoencoder import Autoencoder
from firstsight.detectors.blind.cells import CellSource
from firstsight.detectors.blind.settings import AutoencoderSettings
from firstsight.detectors.blind.training import (
    CHECKPOINT,
    learning_rate_at,
    train_autoencoder,
)
from firstsight.errors import FirstsightError
from firstsight.storage.store import ShardWriter
from firstsight.storage.training import Training

SETTINGS = AutoencoderSettings(
    hidden=24, latent=4, batch_cells=32, cells_per_epoch=1000, epochs=5, validation_cells=300, learning_rate=0.01
)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> CellSource:
    """Cells of 8 channels that lie on a surface of 2 dimensions."""
    random = np.random.default_rng(0)
    basis = random.normal(size=(8, 2))
    path = tmp_path_factory.mktemp("features") / "shard.zarr"
    with ShardWriter(path, dtype="float32") as writer:
        for image in range(4):
            codes = random.normal(size=(2, 18 * 20))
            features = np.abs(basis @ codes).reshape(8, 18, 20)
            attributes = {"status": "ok", "image": f"{image}", "token": f"{image} {image}"}
            writer.add(f"{image}", "t", {"layer2": features}, attributes)
    return CellSource([path], "layer2")


def stop_after(epochs: int) -> Callable[..., Any]:
    """A progress that kills the training when it begins the next epoch."""

    def progress(items: range, total: int) -> Iterator[int]:
        for count, item in enumerate(items):
            if count == epochs:
                raise KeyboardInterrupt
            yield item

    return progress


def flip_a_bit(content: bytes) -> bytes:
    """One bit in the middle of the file, among the weights."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def changed(settings: AutoencoderSettings = SETTINGS, **values: Any) -> AutoencoderSettings:
    return settings.model_copy(update=values)


def same(first: Training, second: Training) -> bool:
    return first.curve == second.curve and all(
        torch.equal(value, second.best[name]) for name, value in first.best.items()
    )


def test_training_learns_what_the_cells_have_in_common(source: CellSource, tmp_path: Path) -> None:
    notes: list[str] = []
    trained = train_autoencoder(source, changed(epochs=10), folder=tmp_path, note=notes.append)
    held_out = source.draw(500, torch.Generator().manual_seed(99), held_out=True)
    model = Autoencoder(source.channels, SETTINGS.hidden, SETTINGS.latent)
    model.load_state_dict(trained.best)
    with torch.no_grad():
        error = (model.reconstruct(held_out) - held_out).square().mean()
    assert error < 0.1 * held_out.var(0).mean()
    assert len(trained.curve) == 10
    assert min(epoch.measures["error"] for epoch in trained.curve) == pytest.approx(error.item(), rel=0.3)
    assert sum(line.startswith("epoch ") for line in notes) == 10


def test_the_seed_alone_decides(source: CellSource, tmp_path: Path) -> None:
    torch.manual_seed(1)
    untouched = torch.random.get_rng_state()
    first = train_autoencoder(source, SETTINGS, folder=tmp_path / "first")
    assert torch.equal(untouched, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert same(first, train_autoencoder(source, SETTINGS, folder=tmp_path / "second"))
    assert not same(first, train_autoencoder(source, changed(seed=1), folder=tmp_path / "third"))


def test_killed_at_every_epoch_it_ends_with_the_very_same_weights(source: CellSource, tmp_path: Path) -> None:
    expected = train_autoencoder(source, SETTINGS, folder=tmp_path / "whole")
    notes: list[str] = []
    for _ in range(SETTINGS.epochs - 1):
        with pytest.raises(KeyboardInterrupt):
            train_autoencoder(source, SETTINGS, folder=tmp_path / "parts", progress=stop_after(1), note=notes.append)
    found = train_autoencoder(source, SETTINGS, folder=tmp_path / "parts", note=notes.append)
    assert same(expected, found)
    assert [line for line in notes if line.startswith("training goes on")] == [
        f"training goes on after epoch {epoch}" for epoch in range(1, SETTINGS.epochs)
    ]
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [CHECKPOINT]
    again = train_autoencoder(source, SETTINGS, folder=tmp_path / "parts", progress=stop_after(0))
    assert same(expected, again)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "other"])
def test_a_damaged_checkpoint_is_noted_and_not_used(source: CellSource, tmp_path: Path, damage: str) -> None:
    settings = changed(epochs=2)
    expected = train_autoencoder(source, settings, folder=tmp_path / "whole")
    checkpoint = tmp_path / "damaged" / CHECKPOINT
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(source, settings, folder=checkpoint.parent, progress=stop_after(1))
    content = checkpoint.read_bytes()
    if damage == "cut":
        checkpoint.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        checkpoint.write_bytes(flip_a_bit(content))
    elif damage == "empty":
        checkpoint.write_bytes(b"")
    else:
        found = torch.load(checkpoint, weights_only=True)
        del found["optimizer"]["state"][3]["exp_avg"], found["best"]
        torch.save(found, checkpoint)
    notes: list[str] = []
    assert same(expected, train_autoencoder(source, settings, folder=checkpoint.parent, note=notes.append))
    assert notes[0] == f"the checkpoint {str(checkpoint)!r} is damaged: training begins anew"


@pytest.mark.parametrize("other", ["settings", "token"])
def test_a_checkpoint_of_something_else_is_noted_and_not_used(source: CellSource, tmp_path: Path, other: str) -> None:
    settings = changed(epochs=2)
    expected = train_autoencoder(source, settings, folder=tmp_path / "whole", token="now")
    before = changed(settings, kl_weight=0.1) if other == "settings" else settings
    token = "before" if other == "token" else "now"
    train_autoencoder(source, before, folder=tmp_path / "other", token=token)
    notes: list[str] = []
    found = train_autoencoder(source, settings, folder=tmp_path / "other", token="now", note=notes.append)
    assert same(expected, found)
    assert "is of other settings or images: training begins anew" in notes[0]


def test_without_improvement_training_stops_and_keeps_the_best(source: CellSource, tmp_path: Path) -> None:
    # The highest learning rate is far too high: the loss rises before it falls.
    settings = changed(epochs=30, patience=2, learning_rate=0.2, cells_per_epoch=200)
    notes: list[str] = []
    trained = train_autoencoder(source, settings, folder=tmp_path / "whole", note=notes.append)
    losses = [epoch.validation_loss for epoch in trained.curve]
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + settings.patience < settings.epochs
    assert notes[-1] == f"no better epoch than {best + 1}: training stops"
    only_best = changed(settings, patience=30)
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(source, only_best, folder=tmp_path / "best", progress=stop_after(best + 1))
    weights = torch.load(tmp_path / "best" / CHECKPOINT, weights_only=True)["model"]
    assert all(torch.equal(value, trained.best[name]) for name, value in weights.items())
    assert same(trained, train_autoencoder(source, settings, folder=tmp_path / "whole"))


def test_a_training_that_diverges_says_so(source: CellSource, tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="diverged in epoch 1: choose a lower learning_rate"):
        train_autoencoder(source, changed(learning_rate=1e9), folder=tmp_path)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [learning_rate_at(step, 100, 0.5) for step in range(100)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) * 0.05)
    assert rates[10] == 0.5
    assert rates[55] == pytest.approx(0.25)
    assert all(first > second > 0 for first, second in itertools.pairwise(rates[10:]))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_learning_rate_of_few_steps_is_never_zero(steps: int) -> None:
    assert all(learning_rate_at(step, steps, 0.5) > 0 for step in range(steps))


@pytest.mark.gpu
def test_training_on_a_gpu_goes_on_where_it_stopped(source: CellSource, tmp_path: Path) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    whole = train_autoencoder(source, SETTINGS, folder=tmp_path / "whole", device="cuda")
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(source, SETTINGS, folder=tmp_path / "parts", device="cuda", progress=stop_after(2))
    found = train_autoencoder(source, SETTINGS, folder=tmp_path / "parts", device="cuda")
    assert found.curve[-1].validation_loss == pytest.approx(whole.curve[-1].validation_loss, rel=0.01)
    assert all(value.device.type == "cpu" for value in found.best.values())
