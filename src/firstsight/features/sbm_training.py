"""Training a trunk and a classifier on shuffled crops, stopped and continued at any epoch."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models
from torchvision.models.feature_extraction import create_feature_extractor

from firstsight.errors import FirstsightError
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.state_dicts import fill
from firstsight.features.trunk import normalise_images, prepare_trunk
from firstsight.storage.checkpoints import resume_training, write_checkpoint

CHECKPOINT = "sbm.checkpoint"
_FORMAT = 1
# The classifier starts from nothing, the trunk does not.
_CLASSIFIER_RATE = 10

Drawn = tuple[Tensor, Tensor]
"""Shuffled crops (N, 3, S, S) in [0, 1] and the permutation of each, (N,)."""


class JigsawNetwork(nn.Module):
    """A trunk, and one linear layer on the mean of its last layer over each tile.

    Args:
        trunk: from normalised images to {"maps": (B, C, h, w)}.
        channels: C.
        grid: n, the tiles a side.
        permutations: P.
    """

    def __init__(self, trunk: nn.Module, channels: int, grid: int, permutations: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.grid = grid
        # Zeros: every order is equally likely at first, and nothing is left to chance.
        self.weight = nn.Parameter(torch.zeros(permutations, channels * grid**2))
        self.bias = nn.Parameter(torch.zeros(permutations))

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] to logits (B, P)."""
        maps = self.trunk(normalise_images(images))["maps"]
        tiles = functional.adaptive_avg_pool2d(maps, self.grid)
        return functional.linear(tiles.flatten(1), self.weight, self.bias)


class Epoch(NamedTuple):
    """One line of the training curve.

    Attributes:
        training_loss: mean cross-entropy over the crops of the epoch.
        validation_loss: of the held-out crops after the epoch.
        accuracy: share of the held-out crops whose permutation was found.
    """

    training_loss: float
    validation_loss: float
    accuracy: float


@dataclass
class _Training:
    """Everything that changes while training goes on."""

    network: JigsawNetwork
    optimizer: torch.optim.Optimizer
    curve: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        return min(range(len(self.curve)), key=lambda epoch: self.curve[epoch].validation_loss)

    def state(self) -> dict[str, Any]:
        """As tensors, numbers and text, the only things that are read back without running anybody's code."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "curve": [tuple(epoch) for epoch in self.curve],
            "best": self.best,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.curve = [Epoch(*epoch) for epoch in state["curve"]]
        self.best = state["best"]


def make_jigsaw_network(
    extractor: str, layer: str, state_dict: Mapping[str, Tensor], settings: SbmSettings, device: str
) -> JigsawNetwork:
    """The trunk of one of torchvision's networks up to a layer, ready to be tuned, with an untrained classifier.

    Args:
        extractor: a torchvision network of the registry.
        layer: its last one.
        state_dict: by torchvision's names, at least up to ``layer``; it is copied.
        settings: grid and permutations.
        device: where the network is put.

    Raises:
        FirstsightError: a state dict that does not fit (see ``state_dicts.fill``).
    """
    # The meta device holds shapes only: what is cut off, and the random initialisation, costs nothing.
    with torch.device("meta"):
        trunk = create_feature_extractor(models.get_model(extractor, weights=None).eval(), {layer: "maps"})
        channels = trunk(torch.empty(1, 3, 64, 64))["maps"].shape[1]
    # Copied, since a tensor that needs no conversion would become the trunk's own, and be tuned in place.
    copied = {name: state_dict[name].clone() for name in trunk.state_dict() if name in state_dict}
    fill(trunk, copied, f"{extractor} to {layer}")
    prepare_trunk(trunk, border="reflect", device=torch.device(device))
    trunk.requires_grad_(True)
    return JigsawNetwork(trunk, channels, settings.grid, settings.permutations).to(device)


def train_jigsaw(
    network: JigsawNetwork,
    draw: Callable[[int], Drawn],
    held_out: Drawn,
    settings: SbmSettings,
    *,
    token: Mapping[str, str],
    folder: Path,
    note: Callable[[str], None],
    progress: Callable[[Iterable[int], int], Iterable[int]],
) -> tuple[dict[str, Tensor], Epoch]:
    """Train a jigsaw network until the epochs are over or the validation loss stops falling.

    Batch normalisation keeps its statistics. After every epoch a checkpoint is written into ``folder``.

    Args:
        network: untrained; it is changed.
        draw: the crops of an epoch; the same for the same epoch.
        held_out: the crops for validation.
        settings: of the training.
        token: says what network and crops are made of: a checkpoint with another token is not used.
        folder: for the checkpoint; it is made.
        note: takes a line of text, one an epoch.
        progress: passes on the epochs that it is given, with their number.

    Returns:
        The trunk's weights of the epoch of the smallest validation loss, on the CPU, and that epoch.

    Raises:
        FirstsightError: a loss that is no longer finite.
    """
    checkpoint = folder / CHECKPOINT
    header = {"format": _FORMAT, "settings": asdict(settings), "token": dict(token)}
    training = _Training(network, _optimizer(network, settings))
    start = {name: value.clone() for name, value in network.state_dict().items()}
    if not resume_training(checkpoint, header, training.load, note):
        network.load_state_dict(start)
        training = _Training(network, _optimizer(network, settings))
    remaining = range(len(training.curve), settings.epochs)
    for epoch in progress(remaining, len(remaining)):
        if training.curve and epoch - 1 - training.best_epoch >= settings.patience:
            note(f"no better epoch than {training.best_epoch + 1}: tuning stops")
            break
        training_loss = _train_epoch(training, draw(epoch), settings, epoch)
        loss, accuracy = _validate(network, held_out, settings.batch_crops)
        if not math.isfinite(training_loss + loss):
            raise FirstsightError(f"the jigsaw diverged in epoch {epoch + 1}: choose a lower learning_rate")
        training.curve.append(Epoch(training_loss, loss, accuracy))
        if training.best_epoch == epoch:
            training.best = {
                name: value.cpu().clone(memory_format=torch.contiguous_format)
                for name, value in network.trunk.state_dict().items()
            }
        write_checkpoint(checkpoint, header | training.state())
        note(
            f"epoch {epoch + 1}: training loss {training_loss:.4f}, validation loss {loss:.4f}, "
            f"{accuracy:.0%} of the held-out permutations found"
        )
    return training.best, training.curve[training.best_epoch]


def _optimizer(network: JigsawNetwork, settings: SbmSettings) -> torch.optim.Optimizer:
    groups = [
        {"params": list(network.trunk.parameters()), "factor": 1},
        {"params": [network.weight, network.bias], "factor": _CLASSIFIER_RATE},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def _train_epoch(training: _Training, drawn: Drawn, settings: SbmSettings, epoch: int) -> float:
    """One step of the optimiser for every batch of the crops; the mean loss."""
    device = training.network.bias.device
    batches = list(zip(*(torch.split(part, settings.batch_crops) for part in drawn), strict=True))
    total = torch.zeros((), device=device)
    for index, (crops, labels) in enumerate(batches):
        done = (epoch + index / len(batches)) / settings.epochs
        for group in training.optimizer.param_groups:
            group["lr"] = group["factor"] * settings.learning_rate * (1 + math.cos(math.pi * done)) / 2
        training.optimizer.zero_grad()
        loss = functional.cross_entropy(training.network(crops.to(device)), labels.to(device))
        loss.backward()  # type: ignore[no-untyped-call]
        training.optimizer.step()
        total += loss.detach() * len(crops)
    return total.item() / len(drawn[0])


@torch.no_grad()
def _validate(network: JigsawNetwork, held_out: Drawn, batch: int) -> tuple[float, float]:
    """Mean loss, and the share of crops whose permutation is found."""
    logits = torch.cat([network(crops.to(network.bias.device)) for crops in torch.split(held_out[0], batch)])
    labels = held_out[1].to(logits.device)
    found = (logits.argmax(dim=1) == labels).float().mean()
    return functional.cross_entropy(logits, labels).item(), found.item()
