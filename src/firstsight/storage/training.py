"""Training a model over epochs, stopped and continued after any of them.

It stands beside the checkpoints because extractors and detectors both train, and a room below both is the lowest that
can serve them.
"""

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from firstsight.errors import FirstsightError
from firstsight.storage.checkpoints import resume_training, write_checkpoint

Note = Callable[[str], None]
"""Takes a line of text for the log."""

Progress = Callable[[Iterable[Any], int], Iterable[Any]]
"""Passes on the items that it is given, with their number; for a progress bar."""

_FORMAT = 2


class Epoch(NamedTuple):
    """One line of the training curve.

    Attributes:
        training_loss: mean over the epoch.
        validation_loss: of the held-out data after the epoch.
        measures: what else was measured on the held-out data, by name.
    """

    training_loss: float
    validation_loss: float
    measures: dict[str, float]


@dataclass
class Training:
    """Everything that changes while a model is trained.

    Attributes:
        model: changed in place.
        optimizer: of its parameters.
        generators: of the random numbers that run on from epoch to epoch, by name.
        curve: one line an epoch.
        best: the model's weights at the epoch of the smallest validation loss (the first of equals), on the CPU.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    generators: Mapping[str, torch.Generator] = field(default_factory=dict)
    curve: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """Number of the epoch of the smallest validation loss, from 0; the first of equals."""
        return min(range(len(self.curve)), key=lambda epoch: self.curve[epoch].validation_loss)

    def state(self) -> dict[str, Any]:
        """As tensors, numbers and text, the only things that are read back without running anybody's code."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "generators": {name: generator.get_state() for name, generator in self.generators.items()},
            "curve": [tuple(epoch) for epoch in self.curve],
            "best": self.best,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take on what `state` gave; where that fails, part of it may have been taken on."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for name, generator in self.generators.items():
            generator.set_state(state["generators"][name])
        self.curve = [Epoch(*epoch) for epoch in state["curve"]]
        self.best = state["best"]


def train_epochs(
    training: Training,
    run_epoch: Callable[[int], Epoch],
    *,
    name: str,
    epochs: int,
    patience: int,
    checkpoint: Path,
    header: Mapping[str, Any],
    note: Note,
    progress: Progress,
) -> None:
    """Train until the epochs are over or the validation loss stops falling.

    After every epoch a checkpoint is written. A training that was killed goes on from it, and on a CPU with as many
    threads ends with the very same weights, as long as ``run_epoch`` draws its random numbers from ``generators`` or
    from the number of the epoch.

    Args:
        training: at its beginning; in the end it holds the curve and the best weights.
        run_epoch: trains for one epoch, whose number it is given (from 0), and validates.
        name: of what is trained, for the error line.
        epochs: at most.
        patience: epochs without a smaller validation loss after which training stops.
        checkpoint: the file; its folder is made.
        header: says what is trained on what: a checkpoint with another header is not used.
        note: takes a line of text, one an epoch.
        progress: is given the numbers of the epochs that are left.

    Raises:
        FirstsightError: a loss that is no longer finite.
    """
    header = {"format": _FORMAT, **header}
    if checkpoint.exists():
        start = copy.deepcopy(training.state())
        if not resume_training(checkpoint, header, training.load, note):
            training.load(start)
    remaining = range(len(training.curve), epochs)
    for number in progress(remaining, len(remaining)):
        if training.curve and number - 1 - training.best_epoch >= patience:
            note(f"no better epoch than {training.best_epoch + 1}: training stops")
            break
        epoch = run_epoch(number)
        if not math.isfinite(epoch.training_loss + epoch.validation_loss):
            raise FirstsightError(f"{name} diverged in epoch {number + 1}: choose a lower learning_rate")
        training.curve.append(epoch)
        if training.best_epoch == number:
            training.best = {
                entry: value.cpu().clone(memory_format=torch.contiguous_format)
                for entry, value in training.model.state_dict().items()
            }
        write_checkpoint(checkpoint, header | training.state())
        measured = "".join(f", {measure} {value:.6f}" for measure, value in epoch.measures.items())
        note(
            f"epoch {number + 1}: training loss {epoch.training_loss:.6f}, "
            f"validation loss {epoch.validation_loss:.6f}{measured}"
        )
