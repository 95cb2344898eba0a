"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", 2022): distance from normal cells.

The mean over 3 x 3 neighbours makes cells aware of their surroundings (Section 3.1, Equation 2), and layers are joined
at the finest grid. Of the cells of all normal images a greedy k-center coreset is kept (Section 3.2, Algorithm 1: the
next cell is always the one farthest from those already chosen, measured in a random projection). The score of a cell is
its distance to the nearest cell of the coreset (Equation 6).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from firstsight.detectors.normal_images import (
    NormalSettings,
    attend_as_learned,
    aware_cells,
    draw_cells,
    open_normal_images,
    smooth_map,
)
from firstsight.detectors.protocol import Model
from firstsight.settings_model import Count, Share
from firstsight.storage.geometry import Geometry
from firstsight.storage.training import Note, Progress

# How many distances are held at a time: 64 MiB.
_BLOCK_VALUES = 2**24


class PatchcoreSettings(NormalSettings):
    """What PatchCore remembers."""

    candidates: Count = 20_000
    """Cells, drawn at random from those of all normal images, of which the coreset is made."""
    coreset_share: Share = 0.1
    """Of the candidates that are remembered."""
    projection: Count = 128
    """Dimensions in which the coreset is chosen; cells of fewer channels are not projected."""


@torch.no_grad()
def fit_patchcore(
    shards: Sequence[Path],
    layers: Sequence[str],
    settings: PatchcoreSettings,
    *,
    folder: Path,
    device: str,
    note: Note,
    progress: Progress = lambda items, total: items,
) -> Model:
    """Choose the cells to remember (`protocol.Fit`).

    The images are read once and one at a time, and ``candidates`` cells are held in memory.

    Returns:
        ``cells`` (M, C); ``owners`` (M,) and ``images``, which say what image each cell is from; and ``pfam`` where it
        is used.

    Raises:
        FirstsightError: no image has features.
    """
    images = open_normal_images(shards, layers, settings, device)
    drawn = draw_cells(
        progress(images, len(images)),
        settings.candidates,
        settings.seed,
        lambda image: aware_cells(image.features, image.places),
    )
    count = max(1, round(settings.coreset_share * len(drawn.cells)))
    chosen = greedy_coreset(drawn.cells, count, projection=settings.projection, seed=settings.seed)
    return images.model(
        f"remembers {len(chosen)} of {drawn.seen} cells of {len(images)} images",
        note,
        cells=drawn.cells[chosen].cpu(),
        owners=drawn.owners[chosen].cpu(),
        images=list(drawn.images),
    )


@torch.no_grad()
def detect_patchcore(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: PatchcoreSettings,
    model: Model,
    image: str,
) -> Tensor:
    """Distance of every cell to the nearest remembered one of another image, smoothed (`protocol.Detect`).

    Where no other image is remembered, the map is 0 everywhere.
    """
    values = aware_cells(attend_as_learned(features, model), places)
    bank = model["cells"].to(values.device)
    if image in model["images"]:
        bank = bank[(model["owners"] != model["images"].index(image)).to(values.device)]
    distance = nearest_distance(values.flatten(1).T, bank).view(values.shape[1:])
    return smooth_map(distance, settings, places)


def greedy_coreset(cells: Tensor, count: int, *, projection: int, seed: int) -> Tensor:
    """Choose cells such that none is far from the chosen ones: the next is always the farthest from those before.

    Args:
        cells: (n, C).
        count: how many; fewer are chosen where there are fewer different cells.
        projection: dimensions of the random projection in which distances are measured; none is made unless C is
            larger.
        seed: of the projection and of the first cell.

    Returns:
        (m,) indices, in the order in which they were chosen.
    """
    generator = torch.Generator().manual_seed(seed)
    seen = cells
    if projection < cells.shape[1]:
        directions = torch.randn(cells.shape[1], projection, generator=generator)
        seen = cells @ directions.to(cells) / projection**0.5
    latest = int(torch.randint(len(cells), (), generator=generator))
    chosen = [latest]
    distance = torch.full((len(cells),), torch.inf, device=cells.device)
    while len(chosen) < count:
        distance = torch.minimum(distance, torch.linalg.vector_norm(seen - seen[latest], dim=1))
        latest = int(distance.argmax())
        if distance[latest] == 0:
            break
        chosen.append(latest)
    return torch.tensor(chosen, device=cells.device)


def nearest_distance(cells: Tensor, bank: Tensor) -> Tensor:
    """Euclidean distance of each cell (n, C) to the nearest of a bank (m, C): (n,) float32; 0 for an empty bank."""
    if not len(bank):
        return torch.zeros(len(cells), device=cells.device)
    lengths = bank.square().sum(dim=1)
    distances = []
    for block in torch.split(cells, max(1, _BLOCK_VALUES // len(bank))):
        nearest = torch.addmm(lengths, block, bank.T, alpha=-2).argmin(dim=1)
        # Written out, since expanding the square would lose small distances to rounding.
        distances.append(torch.linalg.vector_norm(block - bank[nearest], dim=1))
    return torch.cat(distances)
