"""The loop of epochs, on one weight: where it stops, what it keeps, and that killed it goes on to the same end."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from firstsight.errors import FirstsightError
from firstsight.storage.training import Epoch, Training, train_epochs


def begin() -> Training:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.ones_(model.weight)
    # Momentum, so that the optimizer has something to forget.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Training(model, optimizer, {"noise": torch.Generator().manual_seed(3)})


def train(
    folder: Path, losses: dict[int, float], *, killed_before: int | None = None, patience: int = 2, header: str = "a"
) -> tuple[Training, list[str]]:
    """Train 6 epochs whose validation losses are 1, but for those that are given."""
    training, notes = begin(), list[str]()

    def run_epoch(number: int) -> Epoch:
        noise = torch.randn((), generator=training.generators["noise"])
        training.optimizer.zero_grad()
        loss = (training.model(torch.ones(1, 1)) - noise).square().sum()
        loss.backward()
        training.optimizer.step()
        return Epoch(loss.item(), losses.get(number, 1.0), {"noise": noise.item()})

    def progress(numbers: Iterable[int], total: int) -> Iterator[int]:
        for number in numbers:
            if number == killed_before:
                raise KeyboardInterrupt
            yield number

    more: dict[str, Any] = {"checkpoint": folder / "checkpoint", "header": {"of": header}, "name": "the weight"}
    train_epochs(training, run_epoch, epochs=6, patience=patience, note=notes.append, progress=progress, **more)
    return training, notes


def weight_of(training: Training) -> torch.Tensor:
    return training.model.state_dict()["weight"]


def same(first: Training, second: Training) -> bool:
    return (
        first.curve == second.curve
        and torch.equal(weight_of(first), weight_of(second))
        and torch.equal(first.best["weight"], second.best["weight"])
    )


def test_the_weights_of_the_best_epoch_are_kept(tmp_path: Path) -> None:
    training, notes = train(tmp_path, {3: 0.5}, patience=6)
    assert len(training.curve) == len(notes) == 6
    assert training.best_epoch == 3
    assert not torch.equal(training.best["weight"], weight_of(training))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", {3: 0.5}, patience=6, killed_before=4)
    weights = torch.load(tmp_path / "parts/checkpoint", weights_only=True)["model"]["weight"]
    assert torch.equal(training.best["weight"], weights)


def test_the_first_of_equal_epochs_is_the_best_and_patience_counts_from_it(tmp_path: Path) -> None:
    training, notes = train(tmp_path, {1: 0.5, 2: 0.5})
    assert (len(training.curve), training.best_epoch) == (4, 1)
    assert notes[-1] == "no better epoch than 2: training stops"


@pytest.mark.parametrize("killed_before", range(1, 6))
def test_killed_training_goes_on_to_the_same_end(tmp_path: Path, killed_before: int) -> None:
    whole, _ = train(tmp_path / "whole", {2: 0.9}, patience=6)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", {2: 0.9}, patience=6, killed_before=killed_before)
    resumed, notes = train(tmp_path / "parts", {2: 0.9}, patience=6)
    assert same(whole, resumed)
    assert notes[0] == f"training goes on after epoch {killed_before}"
    assert notes[1].startswith(f"epoch {killed_before + 1}: training loss ")


@pytest.mark.parametrize("lost", ["best", "curve", "generators", "optimizer"])
def test_what_a_damaged_checkpoint_changed_is_undone(tmp_path: Path, lost: str) -> None:
    whole, expected = train(tmp_path / "whole", {}, patience=6)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", {}, patience=6, killed_before=3)
    content = torch.load(tmp_path / "parts/checkpoint", weights_only=True)
    del content[lost]
    torch.save(content, tmp_path / "parts/checkpoint")
    again, notes = train(tmp_path / "parts", {}, patience=6)
    assert same(whole, again)
    assert "is damaged: training begins anew" in notes[0]
    assert notes[1:] == expected


def test_a_checkpoint_with_another_header_is_not_used(tmp_path: Path) -> None:
    train(tmp_path, {}, header="b")
    training, notes = train(tmp_path, {5: 0.5}, patience=6)
    assert len(training.curve) == 6
    assert "is of other settings or images: training begins anew" in notes[0]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_training(tmp_path: Path, loss: float) -> None:
    with pytest.raises(FirstsightError, match="the weight diverged in epoch 2: choose a lower learning_rate"):
        train(tmp_path, {1: loss})
