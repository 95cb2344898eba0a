"""Training the network of CFA on one normal image a step, stopped and continued at any epoch."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firstsight.detectors.cfa_network import CfaNetwork, cfa_loss
from firstsight.detectors.normal_images import NormalImage, read_normal_images
from firstsight.storage.stored_images import Stored
from firstsight.storage.training import Epoch, Note, Progress, Training, train_epochs

CHECKPOINT = "cfa.checkpoint"

HELD_OUT_EVERY = 17
"""Of every 17 cells of an image, row by row, the first is held out to validate with (17, lest they line up)."""

VALIDATION_IMAGES = 4

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


def train_cfa(
    network: CfaNetwork,
    centres: Tensor,
    stored: Sequence[Stored],
    layers: Sequence[str],
    settings: CfaTraining,
    *,
    folder: Path,
    header: Mapping[str, Any],
    note: Note,
    progress: Progress,
) -> dict[str, Tensor]:
    """Train a network (`train_epochs`).

    Args:
        network: changed in place.
        centres: (M, D) of the hyperspheres, on the network's device.
        stored: the normal images.
        layers: the layers to read.
        settings: of the training.
        folder: for the checkpoint.
        header: says what is trained on what: a checkpoint with another header is not used.
        note, progress: see `train_epochs`.

    Returns:
        Weights at the epoch of the smallest validation loss, on the CPU.

    Raises:
        FirstsightError: a loss that is no longer finite, or a damaged shard.
    """
    device = str(centres.device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY, amsgrad=True
    )
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(settings.seed))
    validation = [stored[index] for index in order[:VALIDATION_IMAGES].tolist()]

    def run_epoch(number: int) -> Epoch:
        # A generator of each epoch's own: what is drawn is the same after a restart.
        generator = torch.Generator().manual_seed(settings.seed * settings.epochs + number)
        drawn = torch.randperm(len(stored), generator=generator)[: settings.images_per_epoch].tolist()
        images = read_normal_images([stored[index] for index in drawn], layers, device)
        training_loss = _train_epoch(
            network, optimizer, centres, images, generator, cells_per_image=settings.cells_per_image
        )
        return Epoch(training_loss, _validate(network, centres, read_normal_images(validation, layers, device)), {})

    training = Training(network, optimizer)
    train_epochs(
        training,
        run_epoch,
        name="cfa",
        epochs=settings.epochs,
        patience=settings.patience,
        checkpoint=folder / CHECKPOINT,
        header=header,
        note=note,
        progress=progress,
    )
    return training.best


def held_out_cells(count: int) -> Tensor:
    """(count,) bool: which cells of an image are not trained on. A single cell is trained on and validated with."""
    return torch.arange(count) % HELD_OUT_EVERY == 0


def _train_epoch(
    network: CfaNetwork,
    optimizer: torch.optim.Optimizer,
    centres: Tensor,
    images: Iterable[NormalImage],
    generator: torch.Generator,
    *,
    cells_per_image: int,
) -> float:
    """One step of the optimiser for every image; the mean loss."""
    losses = []
    for image in images:
        count = _cells_of(image)
        usable = torch.arange(count)[~held_out_cells(count)] if count > 1 else torch.zeros(1, dtype=torch.long)
        drawn = torch.randperm(len(usable), generator=generator)[:cells_per_image]
        optimizer.zero_grad()
        cells = network(image.features, image.places, usable[drawn].to(centres.device))
        loss = cfa_loss(cells, centres, network.radius)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
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
