"""A small network that makes the cells of similar anomalies more alike, trained on a collection without labels.

This is the contrastive head of "Blind Localization and Clustering of Anomalies in Textures" (Ardelean and Weyrich,
2024): two 1x1 convolutions on the features, that is, a perceptron on cells (feature vectors), whose outputs have
length 1. Its loss is that of Hadsell, Chopra and LeCun ("Dimensionality Reduction by Learning an Invariant Mapping",
2006) on pairs of cells, which come from images whose descriptors are near to each other or far apart.

The paper's head made clusters worse on four real collections, so two things are different by default. The anomalous
cells of an image are drawn by the weights of its descriptor, since an image with a weak anomaly may have no cell above
a threshold. And no normal cells take part, since pulling those of all images together hides what tells kinds apart.
Even so, a trained head was no better than one left at its random start: it is for users who know their collection.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from firstsight.clustering.contrastive_pairs import (
    FEWEST_IMAGES,
    CellPool,
    ImageCells,
    StepCells,
    draw_step,
    pool_by_threshold,
    pool_by_weight,
    rank_neighbours,
)
from firstsight.clustering.descriptors import unit_cells
from firstsight.errors import FirstsightError
from firstsight.settings_model import Count, NotNegative, Positive, Seed, SettingsModel
from firstsight.storage.checkpoints import read_checkpoint

# Cells that go through the network at a time when an image is mapped.
_BLOCK = 4096


class ContrastiveSettings(SettingsModel):
    """How the head is built and trained; the defaults are the paper's, except for ``cells``."""

    cells: Literal["weighted", "threshold"] = "weighted"
    """weighted: the anomalous cells of every image are drawn by the weights of its descriptor, and no cells count as
    normal; threshold: as in the paper, cells above a threshold are anomalous and the others normal."""
    hidden: Count = 256
    """Units of the hidden layer."""
    outputs: Count = 512
    """Channels of the head's features."""
    learning_rate: Positive = 0.0005
    """Of AdamW."""
    weight_decay: NotNegative = 0.01
    """Of AdamW."""
    epochs: Count = 10
    """In each epoch, every image that has anomalous cells is the anchor of one step."""
    positives: Count = 3
    """Nearest images whose anomalous cells are pulled to those of the anchor; at most the nearer half."""
    counterexamples: Count = 5
    """Images of the farther half, drawn for each step, whose anomalous cells are pushed away."""
    anchor_cells: Count = 20
    """Anomalous cells of the anchor in one step, and as many normal ones."""
    other_cells: Count = 50
    """Anomalous cells of the positives in one step, as many of the counterexamples, and as many normal ones."""
    margin: Positive = 0.5
    """Squared distance beyond which cells are not pushed further."""
    cells_per_image: Count = 128
    """Anomalous cells of an image that are held for the whole training, and as many normal ones."""
    most_images: Annotated[int, Field(ge=FEWEST_IMAGES)] = 2000
    """A random sample of this many images is trained on where there are more."""
    seed: Seed = 0
    """Of the weights at the start and of everything that is drawn."""


class Head(nn.Module):
    """Cells (N, C) to outputs (N, D) of length 1: C -> hidden -> D, with a ReLU between.

    Args:
        mean: (C,) subtracted from the cells.
        scale: (C,) by which the cells are then divided; positive.
        hidden: units of the hidden layer.
        outputs: D.
        generator: of the weights at the start, on the CPU; None leaves the weights uninitialised, to be loaded.
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self, mean: Tensor, scale: Tensor, hidden: int, outputs: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", scale.float())
        self.first = _linear(len(mean), hidden, generator)
        self.second = _linear(hidden, outputs, generator)

    def forward(self, cells: Tensor) -> Tensor:
        hidden = functional.relu(self.first((cells.float() - self.mean) / self.scale))
        return functional.normalize(self.second(hidden), dim=1)

    def state(self) -> dict[str, Tensor]:
        """Tensors on the CPU from which `load_head` restores the head."""
        return {name: value.detach().cpu().clone() for name, value in self.state_dict().items()}


def load_head(state: Mapping[str, Tensor], device: str | torch.device = "cpu") -> Head:
    """The head whose `Head.state` this is, on a device.

    Raises:
        FirstsightError: this is not the state of a head.
    """
    try:
        outputs, hidden = state["second.weight"].shape
        head = Head(state["mean"], state["scale"], hidden, outputs)
        head.load_state_dict(dict(state))
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise FirstsightError("this is not the state of a contrastive head: train it again") from error
    return head.to(device)


@torch.no_grad()
def apply_head(head: Head, features: Tensor) -> Tensor:
    """Map the features of an image.

    Args:
        head: a trained head.
        features: (C, h, w), finite, on the device of the head.

    Returns:
        (D, h, w) float32; the D values of a cell have length 1.

    Raises:
        FirstsightError: the features do not have three dimensions, or not as many channels as the head was made for.
    """
    if features.ndim != 3 or len(features) != len(head.mean):
        raise FirstsightError(f"features {tuple(features.shape)} do not match a head for ({len(head.mean)}, h, w)")
    blocks = torch.split(features.flatten(1), _BLOCK, dim=1)
    return torch.cat([head(block.T).T for block in blocks], dim=1).view(-1, *features.shape[1:])


def contrastive_loss(outputs: StepCells, margin: float) -> Tensor:
    """Loss of one step, from the squared Euclidean distances d^2 between outputs of the head.

    The mean of d^2 over the pairs (anchor's anomalous, positives' anomalous) and (anchor's normal, others' normal),
    plus the mean of max(0, margin - d^2) over the pairs (anchor's anomalous, any normal) and (anchor's anomalous,
    counterexamples' anomalous). A kind without cells makes no pairs; the mean of no pairs is 0.

    Args:
        outputs: of the head for the cells of a step, (n, D) of length 1 or 0.
        margin: of the pairs that are pushed apart.

    Returns:
        The loss, 0-dimensional.
    """
    normal = torch.cat([outputs.anchor_normal, outputs.other_normal])
    pulled = (
        _squared_distances(outputs.anchor_anomalous, outputs.positive),
        _squared_distances(outputs.anchor_normal, outputs.other_normal),
    )
    pushed = (
        _squared_distances(outputs.anchor_anomalous, normal),
        _squared_distances(outputs.anchor_anomalous, outputs.counterexample),
    )
    near, far = torch.cat(pulled), functional.relu(margin - torch.cat(pushed))
    return near.sum() / max(len(near), 1) + far.sum() / max(len(far), 1)


def train_head(
    images: Sequence[ImageCells],
    descriptors: NDArray[np.floating],
    settings: ContrastiveSettings,
    *,
    temperature: float,
    threshold: float,
    device: str = "cpu",
    note: Callable[[str], None] = lambda line: None,
) -> Head | None:
    """Train the head on a collection.

    With ``cells="threshold"``, an image without a cell above the threshold takes no part: it is never an anchor, a
    positive or a counterexample. Each image is read once. On a CPU with the same number of threads, the same images,
    settings and seed give the same weights.

    Args:
        images: the N images of the collection, each read when asked; all with C channels.
        descriptors: (N, D), in units in which distances compare, see `normalise_descriptors`: near images share cells.
        settings: of the network and its training.
        temperature: for ``cells="weighted"``: of the weights by which cells are drawn, in units of the maps; for maps
            of `rarity`, the last of the first layer in `TEMPERATURES`.
        threshold: for ``cells="threshold"``: in units of the maps, see `anomaly_threshold`.
        device: to train on.
        note: takes a line of text for each epoch.

    Returns:
        The head on the device; None where fewer than 5 images have anomalous cells, since there is too little to
        contrast and `estimate_number` does not divide fewer either.

    Raises:
        FirstsightError: the numbers of images and descriptors differ; a descriptor, a feature, a score, the temperature
            or the threshold is not finite; the temperature is negative; a map and its features differ in shape; images
            differ in their number of channels; the loss is no longer finite.
    """
    descriptors = np.asarray(descriptors, dtype=np.float64)
    if descriptors.ndim != 2 or len(descriptors) != len(images) or not np.isfinite(descriptors).all():
        raise FirstsightError(f"{len(images)} images need as many finite descriptors, not {descriptors.shape}")
    if not math.isfinite(threshold):
        raise FirstsightError(f"the threshold between normal and anomalous cells is {threshold}, which is not finite")
    if not 0 <= temperature < math.inf:
        raise FirstsightError(f"the temperature of the weights must be 0 or more and finite, not {temperature}")
    generator = torch.Generator().manual_seed(settings.seed)
    chosen = torch.randperm(len(images), generator=generator)[: settings.most_images].sort().values.tolist()
    read = [images[index] for index in chosen]
    if settings.cells == "weighted":
        pool = pool_by_weight(read, temperature, settings.cells_per_image, generator)
    else:
        pool = pool_by_threshold(read, threshold, settings.cells_per_image, generator)
    if len(pool.anomalous) < FEWEST_IMAGES:
        note(f"only {len(pool.anomalous)} images have anomalous cells: no contrastive head is trained")
        return None
    return _train(pool, descriptors[chosen], settings, generator, device=device, note=note)


def _train(
    pool: CellPool,
    descriptors: NDArray[np.floating],
    settings: ContrastiveSettings,
    generator: torch.Generator,
    *,
    device: str,
    note: Callable[[str], None],
) -> Head:
    anchors = torch.tensor(list(pool.anomalous))
    nearest, farther = (anchors[places] for places in rank_neighbours(descriptors[anchors], settings.positives))
    mean, scale = pool.statistics()
    head = Head(mean, scale, settings.hidden, settings.outputs, generator).to(device)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    for epoch in range(settings.epochs):
        total = torch.zeros((), device=device)
        order = torch.randperm(len(anchors), generator=generator).tolist()
        for index in order:
            few = torch.randperm(farther.shape[1], generator=generator)[: settings.counterexamples]
            cells = draw_step(
                pool,
                int(anchors[index]),
                nearest[index].tolist(),
                farther[index, few].tolist(),
                anchor_cells=settings.anchor_cells,
                other_cells=settings.other_cells,
                generator=generator,
            )
            outputs = head(torch.cat(cells).to(device)).split([len(part) for part in cells])
            loss = contrastive_loss(StepCells(*outputs), settings.margin)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += loss.detach()
        mean_loss = total.item() / len(order)
        if not math.isfinite(mean_loss):
            raise FirstsightError(f"the contrastive head diverged in epoch {epoch + 1}: choose a lower learning_rate")
        note(f"epoch {epoch + 1}: contrastive loss {mean_loss:.4f}")
    return head


def _squared_distances(first: Tensor, second: Tensor) -> Tensor:
    """(n, D) and (m, D) to the squared distances of all pairs, (n * m,)."""
    inner = first @ second.T
    squares = first.square().sum(dim=1)[:, None] + second.square().sum(dim=1)
    return (squares - 2 * inner).clamp(min=0).flatten()


def _linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """A layer whose weights are not drawn from the global random numbers."""
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, outputs)  # type: ignore[no-untyped-call]
    if generator is not None:
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(layer.bias)
    return layer


ExtendFeatures = Callable[[NDArray[np.floating]], NDArray[np.floating]]


def read_head(path: Path) -> ExtendFeatures:
    """A function that joins the `unit_cells` of features (C, h, w) with the outputs of a head: (C + D, h, w).

    Where the file holds no head, nothing is joined. The head's outputs alone make worse clusters than the two together
    (docs/methods.md).

    Args:
        path: the file that `fit_head` wrote.

    Raises:
        DamagedError: the file is damaged.
    """
    state = read_checkpoint(path)
    if not state:
        return unit_cells
    head = load_head(state)

    def extend(features: NDArray[np.floating]) -> NDArray[np.floating]:
        mapped = apply_head(head, torch.from_numpy(np.asarray(features, np.float32)))
        return np.concatenate([unit_cells(features), mapped.numpy()])

    return extend
