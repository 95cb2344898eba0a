"""Training the autoencoder on random cells of a collection; it can stop after any epoch and go on from there."""

import math
from pathlib import Path

import torch
from torch import Tensor

from firstsight.detectors.blind.autoencoder import Autoencoder, autoencoder_loss
from firstsight.detectors.blind.cells import CellSource
from firstsight.detectors.blind.settings import AutoencoderSettings
from firstsight.storage.training import Epoch, Note, Progress, Training, train_epochs

CHECKPOINT = "autoencoder.checkpoint"
# Share of all steps in which the learning rate rises to its highest.
_WARM_UP = 0.1
_VALIDATION_BLOCK = 4096


def learning_rate_at(step: int, steps: int, highest: float) -> float:
    """Learning rate of a step: a straight line up for the first tenth of the steps, then down to 0 along a cosine.

    Args:
        step: from 0 to steps - 1.
        steps: how many the whole training has, unless it stops early.
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
    note: Note = lambda line: None,
    progress: Progress = lambda items, total: items,
) -> Training:
    """Train on fresh random cells every epoch (`train_epochs`).

    The training loss has noise in the codes. The validation loss, squared error + kl_weight * divergence of the
    held-out cells, has none; the mean squared error of these cells over cells and channels is measured as ``error``.

    Args:
        source: where the cells come from.
        settings: of the network and its training.
        folder: of the checkpoint; it is made.
        token: identifies what ``source`` is made of; a checkpoint with another token is not used.
        device: to train on.
        note, progress: see `train_epochs`.

    Returns:
        The training at its end, with the ``best`` weights of an `Autoencoder` and the ``curve``.

    Raises:
        FirstsightError: as `CellSource.draw`, or the loss is no longer finite.
    """
    draws = torch.Generator().manual_seed(settings.seed)
    noise = torch.Generator(device).manual_seed(settings.seed)
    model = Autoencoder(source.channels, settings.hidden, settings.latent, draws).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=settings.weight_decay, fused=True)
    # A separate generator, so that every epoch has the same held-out cells, after a restart too.
    generator = torch.Generator().manual_seed(settings.seed)
    held_out = source.draw(settings.validation_cells, generator, held_out=True)

    def run_epoch(number: int) -> Epoch:
        cells = source.draw(settings.cells_per_epoch, draws)
        training_loss = _train_epoch(model, optimizer, noise, cells, settings, epoch=number)
        loss, error = _validate(model, held_out, settings.kl_weight, device)
        return Epoch(training_loss, loss, {"error": error})

    training = Training(model, optimizer, {"draws": draws, "noise": noise})
    train_epochs(
        training,
        run_epoch,
        name="the autoencoder",
        epochs=settings.epochs,
        patience=settings.patience,
        checkpoint=folder / CHECKPOINT,
        header={"settings": settings.model_dump(), "channels": source.channels, "token": token},
        note=note,
        progress=progress,
    )
    return training


def _train_epoch(
    model: Autoencoder,
    optimizer: torch.optim.Optimizer,
    noise: torch.Generator,
    cells: Tensor,
    settings: AutoencoderSettings,
    *,
    epoch: int,
) -> float:
    """Take one step of the optimiser for every batch of the cells, and return the mean loss."""
    batches = torch.split(cells, settings.batch_cells)
    total = torch.zeros((), device=noise.device)
    for index, batch in enumerate(batches):
        step = epoch * len(batches) + index
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings.epochs * len(batches), settings.learning_rate)
        optimizer.zero_grad()
        loss = autoencoder_loss(model, batch.to(noise.device), settings.kl_weight, noise).total
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(batch)
    return total.item() / len(cells)


@torch.no_grad()
def _validate(model: Autoencoder, cells: Tensor, kl_weight: float, device: str) -> tuple[float, float]:
    """Loss and squared error of the cells, decoded from the means of their codes."""
    loss, squared_error = 0.0, 0.0
    for block in torch.split(cells, _VALIDATION_BLOCK):
        block_loss = autoencoder_loss(model, block.to(device), kl_weight)
        loss += block_loss.total.item() * len(block) / len(cells)
        squared_error += block_loss.squared_error.item() * len(block) / len(cells)
    return loss, squared_error
