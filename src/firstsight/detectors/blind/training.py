"""Training the autoencoder on random cells of a collection, stopped and continued at any epoch."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from firstsight.detectors.blind.autoencoder import Autoencoder, AutoencoderSettings, autoencoder_loss
from firstsight.detectors.blind.cells import CellSource
from firstsight.errors import FirstsightError
from firstsight.storage.checkpoints import resume_training, write_checkpoint

CHECKPOINT = "autoencoder.checkpoint"
_FORMAT = 1
# Steps, as a share of all, in which the learning rate rises to its highest.
_WARM_UP = 0.1
_VALIDATION_BLOCK = 4096


class Epoch(NamedTuple):
    """One line of the training curve.

    Attributes:
        cells: trained on so far.
        training_loss: mean over the epoch's batches, with noise in the codes.
        validation_loss: squared error + kl_weight * divergence of the held-out cells, without noise.
        validation_error: their mean squared error, over cells and channels.
    """

    cells: int
    training_loss: float
    validation_loss: float
    validation_error: float


@dataclass(frozen=True)
class TrainedAutoencoder:
    """Weights at the epoch of the smallest validation loss, and how training went.

    Attributes:
        channels: C of the cells.
        settings: that it was trained with.
        state: weights of an `Autoencoder`, on the CPU.
        curve: one line an epoch.
    """

    channels: int
    settings: AutoencoderSettings
    state: dict[str, Tensor]
    curve: tuple[Epoch, ...]

    def model(self, device: str | torch.device = "cpu") -> Autoencoder:
        """The autoencoder with these weights, on a device."""
        model = Autoencoder(self.channels, self.settings.hidden, self.settings.latent)
        model.load_state_dict(self.state)
        return model.to(device)


@dataclass
class _Training:
    """Everything that changes while training goes on."""

    model: Autoencoder
    optimizer: torch.optim.Optimizer
    draws: torch.Generator
    noise: torch.Generator
    curve: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        return min(range(len(self.curve)), key=lambda epoch: self.curve[epoch].validation_loss)

    def state(self) -> dict[str, Any]:
        """As tensors, numbers and text, the only things that are read back without running anybody's code."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "draws": self.draws.get_state(),
            "noise": self.noise.get_state(),
            "curve": [tuple(epoch) for epoch in self.curve],
            "best": self.best,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.draws.set_state(state["draws"])
        self.noise.set_state(state["noise"])
        self.curve = [Epoch(*epoch) for epoch in state["curve"]]
        self.best = state["best"]


def learning_rate_at(step: int, steps: int, highest: float) -> float:
    """Learning rate of a step: up in a straight line for the first tenth of the steps, then down to 0 as a cosine.

    Args:
        step: from 0 to steps - 1.
        steps: of the whole training, if it does not stop early.
        highest: learning rate at the end of the rise.
    """
    rise = max(1, round(_WARM_UP * steps))
    if step < rise:
        return highest * (step + 1) / rise
    return highest * (1 + math.cos(math.pi * (step - rise) / (steps - rise))) / 2


def train_autoencoder(
    source: CellSource,
    settings: AutoencoderSettings,
    *,
    folder: Path,
    token: str = "",
    device: str = "cpu",
    note: Callable[[str], None] = lambda line: None,
    progress: Callable[[Iterable[int], int], Iterable[int]] = lambda items, total: items,
) -> TrainedAutoencoder:
    """Train on fresh random cells every epoch until the epochs are over or the validation loss stops falling.

    After every epoch a checkpoint is written into ``folder``; training that was killed goes on from it, and on a CPU
    with as many threads ends with the very same weights.

    Args:
        source: where the cells come from.
        settings: of the network and its training.
        folder: for the checkpoint; it is made.
        token: says what ``source`` is made of: a checkpoint with another token is not used.
        device: to train on.
        note: takes a line of text, one an epoch.
        progress: passes on the epochs that it is given, with their number; for a progress bar.

    Raises:
        FirstsightError: as `CellSource.draw`; a loss that is no longer finite.
    """
    checkpoint = folder / CHECKPOINT
    header = {"format": _FORMAT, "settings": asdict(settings), "channels": source.channels, "token": token}
    training = _begin(settings, source.channels, device)
    if not resume_training(checkpoint, header, training.load, note):
        training = _begin(settings, source.channels, device)
    # A generator of its own: the same held-out cells for every epoch, and after a restart.
    generator = torch.Generator().manual_seed(settings.seed)
    held_out = source.draw(settings.validation_cells, generator, held_out=True)
    remaining = range(len(training.curve), settings.epochs)
    for epoch in progress(remaining, len(remaining)):
        if training.curve and epoch - 1 - training.best_epoch >= settings.patience:
            note(f"no better epoch than {training.best_epoch + 1}: training stops")
            break
        cells = source.draw(settings.cells_per_epoch, training.draws)
        training_loss = _train_epoch(training, cells, settings, epoch)
        loss, error = _validate(training.model, held_out, settings.kl_weight, device)
        if not math.isfinite(training_loss + loss):
            raise FirstsightError(f"the autoencoder diverged in epoch {epoch + 1}: choose a lower learning_rate")
        training.curve.append(Epoch((epoch + 1) * settings.cells_per_epoch, training_loss, loss, error))
        if training.best_epoch == epoch:
            training.best = {name: value.cpu().clone() for name, value in training.model.state_dict().items()}
        write_checkpoint(checkpoint, header | training.state())
        note(f"epoch {epoch + 1}: training loss {training_loss:.6f}, validation loss {loss:.6f}, error {error:.6f}")
    return TrainedAutoencoder(source.channels, settings, training.best, tuple(training.curve))


def _train_epoch(training: _Training, cells: Tensor, settings: AutoencoderSettings, epoch: int) -> float:
    """One step of the optimiser for every batch of the cells; the mean loss."""
    batches = torch.split(cells, settings.batch_cells)
    total = torch.zeros((), device=training.noise.device)
    for index, batch in enumerate(batches):
        step = epoch * len(batches) + index
        for group in training.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings.epochs * len(batches), settings.learning_rate)
        training.optimizer.zero_grad()
        batch_loss = autoencoder_loss(
            training.model, batch.to(training.noise.device), settings.kl_weight, training.noise
        )
        batch_loss.total.backward()  # type: ignore[no-untyped-call]
        training.optimizer.step()
        total += batch_loss.total.detach() * len(batch)
    return total.item() / len(cells)


@torch.no_grad()
def _validate(model: Autoencoder, cells: Tensor, kl_weight: float, device: str) -> tuple[float, float]:
    """Loss and squared error of the cells, decoded from the means of their codes."""
    loss, squared_error = 0.0, 0.0
    for block in torch.split(cells, _VALIDATION_BLOCK):
        found = autoencoder_loss(model, block.to(device), kl_weight)
        loss += found.total.item() * len(block) / len(cells)
        squared_error += found.squared_error.item() * len(block) / len(cells)
    return loss, squared_error


def _begin(settings: AutoencoderSettings, channels: int, device: str) -> _Training:
    draws = torch.Generator().manual_seed(settings.seed)
    noise = torch.Generator(device).manual_seed(settings.seed)
    model = Autoencoder(channels, settings.hidden, settings.latent, draws).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=settings.weight_decay, fused=True)
    return _Training(model, optimizer, draws, noise)
