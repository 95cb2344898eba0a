"""Training CFA's network, one normal image a step; it can stop after any epoch and go on from there."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firstsight.detectors.cfa_network import CfaNetwork, cfa_loss
from firstsight.detectors.normal_images import NormalImage, NormalSettings, read_normal_images
from firstsight.settings_model import Count, Positive
from firstsight.storage.stored_images import Stored
from firstsight.storage.training import Epoch, Note, Progress, Training, train_epochs

CHECKPOINT = "cfa.checkpoint"

HELD_OUT_EVERY = 17
"""The first of every 17 cells of an image, row by row, is held out for validation (17, lest they line up)."""

VALIDATION_IMAGES = 4

_WEIGHT_DECAY = 5e-4


class CfaSettings(NormalSettings):
    """What CFA learns."""

    channels: Count | None = None
    """Channels of the descriptors; null: as many as the joined layers have."""
    centres: Count = 1000
    """Centres of hyperspheres."""
    candidates: Count = 20_000
    """Cells, drawn at random from those of all normal images, of which the centres are made."""
    epochs: Count = 30
    """Epochs of training, at most."""
    images_per_epoch: Count = 256
    """Normal images that an epoch sees, at most."""
    cells_per_image: Count = 1024
    """Cells of each of them, at most."""
    learning_rate: Positive = 1e-3
    """Of training."""
    patience: Count = 5
    """Epochs without a smaller loss after which training ends."""


def train_cfa(
    network: CfaNetwork,
    centres: Tensor,
    stored: Sequence[Stored],
    layers: Sequence[str],
    settings: CfaSettings,
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
        folder: of the checkpoint.
        header: what is trained, and on what; a checkpoint with another header is not used.
        note, progress: see `train_epochs`.

    Returns:
        The weights after the epoch with the smallest validation loss, on the CPU.

    Raises:
        FirstsightError: the loss is no longer finite, or a shard is damaged.
    """
    device = str(centres.device)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=_WEIGHT_DECAY, amsgrad=True
    )
    order = torch.randperm(len(stored), generator=torch.Generator().manual_seed(settings.seed))
    validation = [stored[index] for index in order[:VALIDATION_IMAGES].tolist()]

    def run_epoch(number: int) -> Epoch:
        # Each epoch has its own generator, so that a restart draws the same.
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
    """(count,) bool: the cells of an image that are not trained on; a single cell serves for training as well."""
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
    """Take one step of the optimiser for every image, and return the mean loss."""
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
    """The mean loss of the held-out cells of some images."""
    losses = []
    for image in images:
        picked = held_out_cells(_cells_of(image)).nonzero()[:, 0].to(centres.device)
        losses.append(cfa_loss(network(image.features, image.places, picked), centres, network.radius).item())
    return sum(losses) / len(losses)


def _cells_of(image: NormalImage) -> int:
    """Cells of the finest grid, which has the most."""
    return max(values[0].numel() for values in image.features.values())
