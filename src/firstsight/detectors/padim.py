"""PaDiM (Defard et al., "PaDiM: a Patch Distribution Modeling Framework", 2021): normal cells as Gaussians.

Of the channels of all layers, joined at the finest grid, a random subset is kept (Section III-A of the paper). Every
position of the frame has a Gaussian of its own, whose covariance over the normal images is regularised by 0.01 I
(Equation 1), and the score of a cell is its Mahalanobis distance (Equation 2). A texture looks alike everywhere, so one
Gaussian for all positions (``positions: shared``) can learn from thousands of cells of an image, where a single
position has one.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from firstsight.detectors.layers import join_layers
from firstsight.detectors.normal_images import (
    NormalSettings,
    attend_as_learned,
    input_sizes,
    open_normal_images,
    smooth_map,
)
from firstsight.detectors.protocol import Model
from firstsight.errors import FirstsightError
from firstsight.settings_model import Count, Positive
from firstsight.storage.geometry import Geometry
from firstsight.storage.training import Note, Progress

LARGEST_MODEL = 2**27
"""Values that the covariances of all positions may have in total: 512 MiB in the model, twice that while learning."""

# Values of Cholesky factors that are made at a time: 64 MiB.
_BLOCK_VALUES = 2**23


class PadimSettings(NormalSettings):
    """What PaDiM learns."""

    channels: Count = 100
    """Channels drawn from those of all layers; all of them where there are fewer."""
    positions: Literal["auto", "own", "shared"] = "auto"
    """own: a Gaussian for each position of the frame, which asks for normal images of one size; shared: one for all;
    auto: own where the sizes are one and there are at least twice as many normal images as channels."""
    regularisation: Positive = 0.01
    """Added to the variances, in squared units of the features."""


@torch.no_grad()
def fit_padim(
    shards: Sequence[Path],
    layers: Sequence[str],
    settings: PadimSettings,
    *,
    folder: Path,
    device: str,
    note: Note,
    progress: Progress = lambda items, total: items,
) -> Model:
    """Learn the Gaussians from normal images, read once and one at a time; only sums are kept (`protocol.Fit`).

    Returns:
        For G Gaussians (1, or one for each position) of D channels: ``picked`` (D,) the channels, ``mean`` (G, D),
        ``factor`` (G, D, D) the lower Cholesky factors of the covariances, ``grid`` the height and width of the
        positions in cells (1 and 1 where they are shared); and ``pfam`` where it is used.

    Raises:
        FirstsightError: no image has features, or ``positions`` is own although the images have several sizes or the
            covariances more than `LARGEST_MODEL` values.
    """
    images = open_normal_images(shards, layers, settings, device)
    first = images.first()
    picked = _draw_channels(first.features, settings)
    values = _joined(first.features, first.places, picked)
    shared = _shares_positions(values, settings, len(images), input_sizes(images.stored, layers[0]))
    sums = _Sums(values, shared)
    for image in progress(images, len(images)):
        sums.add(_joined(image.features, image.places, picked))
    mean, factor = sums.gaussians(settings.regularisation)
    kind = "one Gaussian of all positions" if shared else f"{sums.grid[0]} x {sums.grid[1]} Gaussians"
    return images.model(
        f"learned {kind} from {len(images)} images ({len(picked)} channels)",
        note,
        picked=picked.cpu(),
        mean=mean.cpu(),
        factor=factor.cpu(),
        grid=list(sums.grid),
    )


@torch.no_grad()
def detect_padim(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: PadimSettings,
    model: Model,
    image: str,
) -> Tensor:
    """Mahalanobis distance of every cell from its Gaussian, smoothed (`protocol.Detect`).

    On a grid other than the model's, a cell takes the Gaussian of the position that its centre falls into.
    """
    attended = attend_as_learned(features, model)
    values = _joined(attended, places, model["picked"].to(next(iter(attended.values())).device))
    mean, factor = model["mean"].to(values.device), model["factor"].to(values.device)
    height, width = values.shape[1:]
    if len(mean) == 1:
        offset = values.flatten(1) - mean.T
        whitened = torch.linalg.solve_triangular(factor[0], offset, upper=False)
        distance = whitened.square().sum(0)
    else:
        rows, columns = (
            ((torch.arange(cells, device=values.device) + 0.5) * known / cells).long()
            for cells, known in zip((height, width), model["grid"], strict=True)
        )
        position = (rows[:, None] * model["grid"][1] + columns).flatten()
        distance = torch.empty(height * width, device=values.device)
        cells = values.flatten(1).T
        size = max(1, _BLOCK_VALUES // len(values) ** 2)
        for block in torch.split(torch.arange(len(cells), device=values.device), size):
            chosen = position[block]
            offset = (cells[block] - mean[chosen])[..., None]
            whitened = torch.linalg.solve_triangular(factor[chosen], offset, upper=False)
            distance[block] = whitened.square().sum(dim=(1, 2))
    return smooth_map(distance.sqrt().view(height, width), settings, places)


class _Sums:
    """Sums over images that give means and covariances, taken about the mean of the first image's cells."""

    def __init__(self, first: Tensor, shared: bool) -> None:
        channels, height, width = first.shape
        self.grid = (1, 1) if shared else (height, width)
        self._shift = first.double().mean(dim=(1, 2))
        groups = self.grid[0] * self.grid[1]
        self._sum = torch.zeros(groups, channels, dtype=torch.float64, device=first.device)
        self._products = torch.zeros(groups, channels, channels, dtype=torch.float64, device=first.device)
        self._count = 0

    def add(self, values: Tensor) -> None:
        """Add the cells (D, h, w) of one image."""
        cells = values.flatten(1).T.double() - self._shift
        # (G, cells of each, D)
        cells = cells.view(len(self._sum), -1, len(self._shift))
        self._count += cells.shape[1]
        self._sum += cells.sum(dim=1)
        self._products.baddbmm_(cells.mT, cells)

    def gaussians(self, regularisation: float) -> tuple[Tensor, Tensor]:
        """Means (G, D) and lower Cholesky factors (G, D, D) of the regularised covariances, float32."""
        mean = self._sum / self._count
        identity = torch.eye(mean.shape[1], dtype=torch.float64, device=mean.device)
        factors = torch.empty(self._products.shape, device=mean.device)
        size = max(1, _BLOCK_VALUES // identity.numel())
        for block in torch.split(torch.arange(len(mean), device=mean.device), size):
            outer = mean[block, :, None] * mean[block, None, :]
            covariance = (self._products[block] - self._count * outer) / max(self._count - 1, 1)
            factors[block] = torch.linalg.cholesky(covariance + regularisation * identity).float()
        return (mean + self._shift).float(), factors


def _draw_channels(features: Mapping[str, Tensor], settings: PadimSettings) -> Tensor:
    """The channels that are kept, in ascending order, counted through all layers."""
    every = sum(len(values) for values in features.values())
    order = torch.randperm(every, generator=torch.Generator().manual_seed(settings.seed))
    return order[: settings.channels].sort().values.to(next(iter(features.values())).device)


def _joined(features: Mapping[str, Tensor], places: Mapping[str, Geometry], picked: Tensor) -> Tensor:
    """(D, h, w): the picked channels on the grid of the finest layer."""
    chosen, first = {}, 0
    for layer, values in features.items():
        inside = (picked >= first) & (picked < first + len(values))
        chosen[layer] = values[picked[inside] - first]
        first += len(values)
    return join_layers(chosen, places)


def _shares_positions(values: Tensor, settings: PadimSettings, images: int, sizes: set[tuple[int, int]]) -> bool:
    """Whether all positions have one Gaussian."""
    channels, height, width = values.shape
    size = height * width * channels**2
    if settings.positions == "own":
        if len(sizes) > 1:
            raise FirstsightError(
                f"positions is own, but the normal images have {len(sizes)} sizes: choose shared, or one image_size"
            )
        if size > LARGEST_MODEL:
            raise FirstsightError(
                f"positions is own, but {height} x {width} covariances of {channels} channels are too large a model: "
                "choose shared, fewer channels or a smaller image_size"
            )
        return False
    enough = len(sizes) == 1 and images >= 2 * channels and size <= LARGEST_MODEL
    return settings.positions == "shared" or not enough
