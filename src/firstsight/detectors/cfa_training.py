"""Training the network of CFA on one normal image a step, stopped and continued at any epoch."""

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firstsight.detectors.cfa_network import CfaNetwork, cfa_loss
from firstsight.detectors.normal_images import NormalImage, read_normal_images
from firstsight.errors import FirstsightError
from firstsight.storage.checkpoints import resume_training, write_checkpoint
from firstsight.storage.stored_images import Stored

CHECKPOINT = "cfa.checkpoint"

HELD_OUT_EVERY = 17
"""Of every 17 cells of an image, row by row, the first is held out to validate with (17, lest they line up)."""

VALIDATION_IMAGES = 4

_FORMAT = 1
_WEIGHT_DECAY = 5e-4


@dataclass(frozen=True)
class CfaTraining:
    """How the network is trained.

    Attributes:
        epochs: at most.
        images_per_epoch: of more normal images, each epoch takes so many at random.
        cells_per_image: that a step looks at.
        learning_rate: of AdamW.
        patience: epochs without a smaller validation loss after which training stops.
        seed: of images and cells.
    """

    epochs: int
    images_per_epoch: int
    cells_per_image: int
    learning_rate: float
    patience: int
    seed: int


@dataclass
class _State:
    """Everything that changes while training goes on; ``curve`` holds the validation loss of each epoch."""

    network: CfaNetwork
    optimizer: torch.optim.Optimizer
    curve: list[float] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    def best_epoch(self) -> int:
        return min(range(len(self.curve)), key=self.curve.__getitem__)


def train_cfa(
    network: CfaNetwork,
    centres: Tensor,
    stored: Sequence[Stored],
    layers: Sequence[str],
    settings: CfaTraining,
    *,
    folder: Path,
    header: Mapping[str, Any],
    note: Callable[[str], None],
    progress: Callable[[Iterable[int], int], Iterable[int]] = lambda items, total: items,
) -> dict[str, Tensor]:
    """Train a network until the epochs are over or the validation loss stops falling.

    After every epoch a checkpoint is written into ``folder``; training that was killed goes on from it, and on a CPU
    with as many threads ends with the very same weights.

    Args:
        network: changed in place.
        centres: (M, D) of the hyperspheres, on the network's device.
        stored: the normal images.
        layers: the layers to read.
        settings: of the training.
        folder: for the checkpoint.
        header: says what is trained on what: a checkpoint with another header is not used.
        note: takes a line of text, one an epoch.
        progress: passes on the epochs that it is given, with their number; for a progress bar.

    Returns:
        Weights at the epoch of the smallest validation loss, on the CPU.

    Raises:
        FirstsightError: a loss that is no longer finite, or a damaged shard.
    """
    device = str(centres.device)
    checkpoint, header = folder / CHECKPOINT, {"format": _FORMAT, **header}
    state = _resume(network, settings, checkpoint, header, note)
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(settings.seed))
    validation = [stored[index] for index in order[:VALIDATION_IMAGES].tolist()]
    remaining = range(len(state.curve), settings.epochs)
    for epoch in progress(remaining, len(remaining)):
        if state.curve and epoch - 1 - state.best_epoch() >= settings.patience:
            note(f"no better epoch than {state.best_epoch() + 1}: training stops")
            break
        # A generator of each epoch's own: what is drawn is the same after a restart.
        generator = torch.Generator().manual_seed(settings.seed * settings.epochs + epoch)
        drawn = torch.randperm(len(stored), generator=generator)[: settings.images_per_epoch].tolist()
        images = read_normal_images([stored[index] for index in drawn], layers, device)
        training_loss = _train_epoch(state, centres, images, settings.cells_per_image, generator)
        loss = _validate(state.network, centres, read_normal_images(validation, layers, device))
        if not math.isfinite(training_loss + loss):
            raise FirstsightError(f"cfa diverged in epoch {epoch + 1}: choose a lower learning_rate")
        state.curve.append(loss)
        if state.best_epoch() == epoch:
            state.best = {name: value.cpu().clone() for name, value in state.network.state_dict().items()}
        content = {
            "network": state.network.state_dict(),
            "optimizer": state.optimizer.state_dict(),
            "curve": state.curve,
            "best": state.best,
        }
        write_checkpoint(checkpoint, {**header, **content})
        note(f"epoch {epoch + 1}: training loss {training_loss:.4f}, validation loss {loss:.4f}")
    return state.best


def held_out_cells(count: int) -> Tensor:
    """(count,) bool: which cells of an image are not trained on. A single cell is trained on and validated with."""
    return torch.arange(count) % HELD_OUT_EVERY == 0


def _train_epoch(
    state: _State, centres: Tensor, images: Iterable[NormalImage], cells_per_image: int, generator: torch.Generator
) -> float:
    """One step of the optimiser for every image; the mean loss."""
    losses = []
    for image in images:
        count = _cells_of(image)
        usable = torch.arange(count)[~held_out_cells(count)] if count > 1 else torch.zeros(1, dtype=torch.long)
        drawn = torch.randperm(len(usable), generator=generator)[:cells_per_image]
        state.optimizer.zero_grad()
        found = state.network(image.features, image.places, usable[drawn].to(centres.device))
        loss = cfa_loss(found, centres, state.network.radius)
        loss.backward()  # type: ignore[no-untyped-call]
        state.optimizer.step()
        losses.append(loss.item())
    return sum(losses) / len(losses)


@torch.no_grad()
def _validate(network: CfaNetwork, centres: Tensor, images: Iterable[NormalImage]) -> float:
    """Mean loss of the held-out cells of some images."""
    losses = []
    for image in images:
        picked = held_out_cells(_cells_of(image)).nonzero()[:, 0].to(centres.device)
        losses.append(cfa_loss(network(image.features, image.places, picked), centres, network.radius).item())
    return sum(losses) / len(losses)


def _cells_of(image: NormalImage) -> int:
    """Cells of the finest grid, which has the most."""
    return max(values[0].numel() for values in image.features.values())


def _resume(
    network: CfaNetwork, settings: CfaTraining, path: Path, header: Mapping[str, Any], note: Callable[[str], None]
) -> _State:
    """Training at its beginning, or where the checkpoint left it."""
    state = _begin(network, settings)
    before = copy.deepcopy(network.state_dict())

    def load(found: Mapping[str, Any]) -> None:
        network.load_state_dict(found["network"])
        state.optimizer.load_state_dict(found["optimizer"])
        state.curve, state.best = list(found["curve"]), dict(found["best"])

    if resume_training(path, header, load, note):
        return state
    network.load_state_dict(before)
    return _begin(network, settings)


def _begin(network: CfaNetwork, settings: CfaTraining) -> _State:
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY, amsgrad=True
    )
    return _State(network, optimizer)
