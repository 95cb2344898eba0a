"""Training a trunk and a classifier on shuffled crops, stopped and continued at any epoch."""

import importlib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstsight.features.registry import find_extractor
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.trunk import prepare_trunk
from firstsight.storage.training import Epoch, Note, Progress, Training, train_epochs

CHECKPOINT = "sbm.checkpoint"
# The classifier starts from nothing, the trunk does not.
_CLASSIFIER_RATE = 10

Drawn = tuple[Tensor, Tensor]
"""Shuffled crops (N, 3, S, S) in [0, 1] and the permutation of each, (N,)."""


MakeTrunk = Callable[[str, str, Mapping[str, Tensor]], nn.Module]
"""From an extractor's name, a layer and a state dict to the filled network from normalised images to {layer: maps}; its
parameters have the names of the state dict. The same file has ``normalise_images``."""


class JigsawNetwork(nn.Module):
    """A trunk, and one linear layer on the mean of its last layer over each tile.

    Args:
        trunk: from normalised images to {layer: (B, C, h, w)}.
        normalise: from images (B, 3, H, W) in [0, 1] to what the trunk takes.
        channels: C.
        grid: n, the tiles a side.
        permutations: P.
    """

    def __init__(
        self, trunk: nn.Module, normalise: Callable[[Tensor], Tensor], channels: int, grid: int, permutations: int
    ) -> None:
        super().__init__()
        self.trunk = trunk
        self.normalise = normalise
        self.grid = grid
        # Zeros: every order is equally likely at first, and nothing is left to chance.
        self.weight = nn.Parameter(torch.zeros(permutations, channels * grid**2))
        self.bias = nn.Parameter(torch.zeros(permutations))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] to logits (B, P)."""
        (maps,) = self.trunk(self.normalise(images)).values()
        tiles = functional.adaptive_avg_pool2d(maps, self.grid)
        return functional.linear(tiles.flatten(1), self.weight, self.bias)


def make_jigsaw_network(
    extractor: str, layer: str, state_dict: Mapping[str, Tensor], settings: SbmSettings, device: str
) -> JigsawNetwork:
    """The trunk of a network up to a layer, ready to be tuned, with an untrained classifier.

    Args:
        extractor: a network of the registry.
        layer: its last one.
        state_dict: by the network's names, at least up to ``layer``; it is copied.
        settings: grid and permutations.
        device: where the network is put.

    Raises:
        FirstsightError: a state dict that does not fit (see ``state_dicts.fill``).
    """
    # Copied, since a tensor that needs no conversion would become the trunk's own, and be tuned in place.
    copied = {name: value.clone() for name, value in state_dict.items()}
    module = importlib.import_module(find_extractor(extractor).module)
    make_trunk: MakeTrunk = module.make_trunk
    trunk = make_trunk(extractor, layer, copied)
    prepare_trunk(trunk, border="reflect", device=torch.device(device))
    with torch.no_grad():
        channels = trunk(torch.zeros(1, 3, 64, 64, device=device))[layer].shape[1]
    trunk.requires_grad_(True)
    return JigsawNetwork(trunk, module.normalise_images, channels, settings.grid, settings.permutations).to(device)


def train_jigsaw(
    network: JigsawNetwork,
    draw: Callable[[int], Drawn],
    held_out: Drawn,
    settings: SbmSettings,
    *,
    token: Mapping[str, str],
    folder: Path,
    note: Note,
    progress: Progress,
) -> tuple[dict[str, Tensor], Epoch]:
    """Train a jigsaw network (`train_epochs`); batch normalisation keeps its statistics.

    Losses are cross-entropies. Measured besides is the ``accuracy``: the share of the held-out crops whose permutation
    is found.

    Args:
        network: untrained; it is changed.
        draw: the crops of an epoch; the same for the same epoch.
        held_out: the crops for validation.
        settings: of the training.
        token: says what network and crops are made of: a checkpoint with another token is not used.
        folder: for the checkpoint; it is made.
        note, progress: see `train_epochs`.

    Returns:
        The trunk's weights of the epoch of the smallest validation loss, on the CPU, and that epoch.

    Raises:
        FirstsightError: a loss that is no longer finite.
    """
    optimizer = _optimizer(network, settings)

    def run_epoch(number: int) -> Epoch:
        training_loss = _train_epoch(network, optimizer, draw(number), settings, number)
        loss, accuracy = _validate(network, held_out, settings.batch_crops)
        return Epoch(training_loss, loss, {"accuracy": accuracy})

    training = Training(network, optimizer)
    train_epochs(
        training,
        run_epoch,
        name="the jigsaw",
        epochs=settings.epochs,
        patience=settings.patience,
        checkpoint=folder / CHECKPOINT,
        header={"settings": asdict(settings), "token": dict(token)},
        note=note,
        progress=progress,
    )
    trunk = {name.removeprefix("trunk."): value for name, value in training.best.items() if name.startswith("trunk.")}
    return trunk, training.curve[training.best_epoch]


def _optimizer(network: JigsawNetwork, settings: SbmSettings) -> torch.optim.Optimizer:
    groups = [
        {"params": list(network.trunk.parameters()), "factor": 1},
        {"params": [network.weight, network.bias], "factor": _CLASSIFIER_RATE},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _train_epoch(
    network: JigsawNetwork, optimizer: torch.optim.Optimizer, drawn: Drawn, settings: SbmSettings, epoch: int
) -> float:
    """One step of the optimiser for every batch of the crops; the mean loss."""
    device = network.bias.device
    batches = list(zip(*(torch.split(part, settings.batch_crops) for part in drawn), strict=True))
    total = torch.zeros((), device=device)
    for index, (crops, labels) in enumerate(batches):
        done = (epoch + index / len(batches)) / settings.epochs
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
        optimizer.zero_grad()
        loss = functional.cross_entropy(network(crops.to(device)), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        total += loss.detach() * len(crops)
    return total.item() / len(drawn[0])


@torch.no_grad()
def _validate(network: JigsawNetwork, held_out: Drawn, batch: int) -> tuple[float, float]:
    """Mean loss, and the share of crops whose permutation is found."""
    logits = torch.cat([network(crops.to(network.bias.device)) for crops in torch.split(held_out[0], batch)])
    labels = held_out[1].to(logits.device)
    accuracy = (logits.argmax(dim=1) == labels).float().mean()
    return functional.cross_entropy(logits, labels).item(), accuracy.item()
