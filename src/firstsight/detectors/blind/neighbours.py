"""How far a cell is from the nearest cells of other images of its collection (after Li et al., 2024, MuSc).

Nearly every other image holds what is normal, and only few hold what is anomalous. So the distance is measured to the
images with the most similar cells. What is rare but normal, an edge or a vein, is far from its neighbours in every
image; so each distance is taken in units of how far the neighbour itself is from its own neighbours (its local density,
as in the local outlier factor of Breunig et al., 2000).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from firstsight.errors import FirstsightError
from firstsight.storage.stored_images import Stored, random_images

LEAST_LOCAL = 0.5
"""Local distances below this share of their median count as that share: copies of an image are no dense texture."""

# How many cosines are held at a time: 4 MiB, which stay in the cache until their maxima are taken (a quarter less time
# than with 64 MiB).
_BLOCK_VALUES = 2**20


@dataclass(frozen=True)
class Bank:
    """Cells of some images of a collection, with which other cells are compared.

    Attributes:
        cells: (I, K, C) float32 of length 1 (or 0): K cells of each of I images.
        local: (I, K) float32 in [0, 2]: how far each cell is from its nearest cells in the other images of the bank.
        images: their ids, I of them.
    """

    cells: Tensor
    local: Tensor
    images: tuple[str, ...]


def draw_bank(images: Sequence[Stored], layer: str, *, count: int, cells: int, share: float | None, seed: int) -> Bank:
    """Draw random cells of random images.

    Args:
        images: of the collection, those that have features.
        layer: of the features; their cells are not scaled, so that brightness and strength count.
        count: how many images (all where there are fewer).
        cells: how many of each image; an image with fewer cells gives some of them more than once.
        share: as in `local_distances`; None: local distances are not asked for, and 1.
        seed: of both choices.

    Raises:
        FirstsightError: no image has features, a shard is damaged, or the share is out of range.
    """
    drawn, names = [], []
    for reader, key in random_images(images, count, seed):
        features = torch.from_numpy(reader.read(key, layer)).flatten(1)
        size = features.shape[1]
        # The same positions in every image, so that equal images have equal maps.
        order = torch.randperm(size, generator=torch.Generator().manual_seed(seed))
        picked = order[torch.arange(cells) % size]
        drawn.append(normalize(features[:, picked].T, dim=1))
        names.append(str(reader.attributes(key)["image"]))
    if not drawn:
        raise FirstsightError("no image of the collection has features")
    bank = torch.stack(drawn)
    local = bank.new_ones(bank.shape[:2]) if share is None else local_distances(bank, share=share)
    return Bank(bank, local, tuple(names))


def local_distances(cells: Tensor, *, share: float) -> Tensor:
    """How far each cell of a bank is from its nearest cells in the most similar other images of the bank.

    Args:
        cells: (I, K, C) float32 of length 1 (or 0).
        share: as in `neighbour_distance`.

    Returns:
        (I, K) float32 in [0, 2], on the device of the cells; those below half of their median are raised to it. All 1
        for a bank of one image, or of copies of one.
    """
    rows = []
    for image in range(len(cells)):
        others = cells[[other for other in range(len(cells)) if other != image]]
        distances, _ = _nearest(cells[image], others, share)
        rows.append(distances.mean(dim=1))
    local = torch.stack(rows)
    typical = float(local.median())
    return local.clamp(min=LEAST_LOCAL * typical) if typical > 0 else torch.ones_like(local)


def neighbour_distance(features: Tensor, bank: Bank, *, share: float, image: str | None = None) -> Tensor:
    """Mean distance of every cell to its nearest cells in the most similar images of a bank, one cell an image.

    A distance is one minus the cosine, in units of the local distance of the cell that it leads to.

    Args:
        features: (C, h, w), finite, of one image, on the device of the bank.
        bank: of the same layer.
        share: of the bank's images that counts, in (0, 1]: those whose nearest cells are nearest, at least one.
        image: id of the image, which is not compared with itself.

    Returns:
        (h, w) float32, not negative, about 1 where the image is like the others; 1 throughout where the bank holds no
        other image.
    """
    others = [index for index, name in enumerate(bank.images) if name != image]
    known, local = bank.cells[others], bank.local[others]
    cells = normalize(features.float().flatten(1).T, dim=1)
    scores = []
    for block in torch.split(cells, max(1, _BLOCK_VALUES // max(1, known.shape[0] * known.shape[1]))):
        distances, units = _nearest(block, known, share, local)
        scores.append((distances / units).mean(dim=1))
    return torch.cat(scores).view(features.shape[1:])


def _nearest(cells: Tensor, known: Tensor, share: float, local: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances (n, m) of n cells to their nearest cells in the m most similar of (I, K, C) images, and the local
    distances (n, m) of these, 1 where none are given; one column of ones where there is no image."""
    if not 0 < share <= 1:
        raise FirstsightError(f"share is {share}, but must be above 0 and at most 1")
    if len(known) == 0:
        return cells.new_ones(len(cells), 1), cells.new_ones(len(cells), 1)
    cosines, nearest = (cells @ known.flatten(0, 1).T).view(len(cells), len(known), -1).max(dim=2)
    count = max(1, int(share * len(known)))
    found = (1 - cosines).clamp_(min=0).topk(count, dim=1, largest=False)
    if local is None:
        return found.values, torch.ones_like(found.values)
    units = local.expand(len(cells), -1, -1).gather(2, nearest[..., None]).squeeze(2)
    return found.values, units.gather(1, found.indices)
