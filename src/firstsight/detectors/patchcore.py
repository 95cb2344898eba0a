"""PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", 2022): how far from any normal cell.

Cells are made aware of their neighbours by the mean over 3 x 3 of them (Section 3.1, Equation 2), layers are joined at
the finest grid. Of the cells of all normal images a greedy k-center coreset is kept (Section 3.2, Algorithm 1: each
next cell is the one farthest from those chosen, seen through a random projection), and the score of a cell is its
distance to the nearest of these (Equation 6).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from firstsight.detectors.normal_images import (
    NormalSettings,
    attend,
    aware_cells,
    draw_cells,
    finest_stride,
    list_normal_images,
    pack_pfam,
    read_normal_image,
    read_normal_images,
    start_pfam,
    unpack_pfam,
)
from firstsight.detectors.windows import smooth
from firstsight.settings_model import Count, Share
from firstsight.storage.geometry import Geometry

# Distances held at a time: 64 MiB.
_BLOCK_VALUES = 2**24

Model = Mapping[str, Any]


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
    note: Callable[[str], None],
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda items, total: items,
) -> Model:
    """Choose the cells to remember; the images are read once, one at a time, and ``candidates`` cells are held.

    Args:
        shards: stores of features of the normal images.
        layers: the layers to learn from.
        settings: of the detector.
        folder: for checkpoints; not used, since nothing is trained.
        device: to compute on.
        note: takes lines of text for the log.
        progress: passes on the images that it is given, with their number; for a progress bar.

    Returns:
        What `detect_patchcore` needs: ``cells`` (M, C), ``owners`` (M,) and ``images``: of which image each cell is,
        and ``pfam`` where it is used.

    Raises:
        FirstsightError: no image with features.
    """
    stored = list_normal_images(shards)
    pfam = start_pfam(read_normal_image(stored[0], layers, device), settings.seed) if settings.pfam else None
    drawn = draw_cells(
        progress(read_normal_images(stored, layers, device), len(stored)),
        settings.candidates,
        settings.seed,
        lambda each: aware_cells(attend(each.features, pfam), each.places),
    )
    count = max(1, round(settings.coreset_share * len(drawn.cells)))
    chosen = greedy_coreset(drawn.cells, count, projection=settings.projection, seed=settings.seed)
    says = f"remembers {len(chosen)} of {drawn.seen} cells of {len(stored)} images"
    note(says)
    return {
        "n_images": len(stored),
        "says": says,
        "cells": drawn.cells[chosen].cpu(),
        "owners": drawn.owners[chosen].cpu(),
        "images": list(drawn.images),
        "pfam": pack_pfam(pfam),
    }


@torch.no_grad()
def detect_patchcore(
    features: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    settings: PatchcoreSettings,
    model: Model,
    image: str,
) -> Tensor:
    """Distance of every cell to the nearest remembered one, smoothed: (h, w) float32 on the grid of the finest layer.

    Args:
        features: (C, h_l, w_l) of each layer.
        places: how each layer lies on the image.
        settings: of the detector.
        model: what `fit_patchcore` remembers.
        image: id of the image, so that it is not compared with itself where it was learned from; 0 everywhere where
            nothing else is remembered.
    """
    device = next(iter(features.values())).device
    values = aware_cells(attend(features, unpack_pfam(model["pfam"], device)), places)
    bank = model["cells"].to(values.device)
    if image in model["images"]:
        bank = bank[(model["owners"] != model["images"].index(image)).to(values.device)]
    distance = nearest_distance(values.flatten(1).T, bank).view(values.shape[1:])
    return smooth(distance, settings.sigma / finest_stride(places))


def greedy_coreset(cells: Tensor, count: int, *, projection: int, seed: int) -> Tensor:
    """Choose cells such that none is far from the chosen ones: each next one is the farthest from those before.

    Args:
        cells: (n, C).
        count: how many; fewer are chosen where these are already all the different ones.
        projection: dimensions of the random projection in which distances are measured; none where C is not larger.
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
    """Euclidean distance of each cell (n, C) to the nearest of the bank (m, C): (n,) float32; 0 for an empty bank."""
    if not len(bank):
        return torch.zeros(len(cells), device=cells.device)
    lengths = bank.square().sum(dim=1)
    distances = []
    for block in torch.split(cells, max(1, _BLOCK_VALUES // len(bank))):
        nearest = torch.addmm(lengths, block, bank.T, alpha=-2).argmin(dim=1)
        # Written out, since expanding the square would lose small distances to rounding.
        distances.append(torch.linalg.vector_norm(block - bank[nearest], dim=1))
    return torch.cat(distances)
