"""How far a cell is from the nearest cells of other images of its collection (after Li et al., 2024, MuSc).

Nearly every other image holds what is normal, and only few hold what is anomalous. So the distance is measured to the
images with the most similar cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from firstsight.errors import FirstsightError
from firstsight.storage.stored_images import Stored, random_images

# How many cosines are held at a time: 64 MiB.
_BLOCK_VALUES = 2**24


@dataclass(frozen=True)
class Bank:
    """Cells of some images of a collection, with which other cells are compared.

    Attributes:
        cells: (I, K, C) float32 of length 1 (or 0): K cells of each of I images.
        images: their ids, I of them.
    """

    cells: Tensor
    images: tuple[str, ...]


def draw_bank(images: Sequence[Stored], layer: str, *, count: int, cells: int, seed: int) -> Bank:
    """Draw random cells of random images.

    Args:
        images: of the collection, those that have features.
        layer: of the features; their cells are not scaled, so that brightness and strength count.
        count: how many images (all where there are fewer).
        cells: how many of each image; an image with fewer cells gives some of them more than once.
        seed: of both choices.

    Raises:
        FirstsightError: no image has features, or a shard is damaged.
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
    return Bank(torch.stack(drawn), tuple(names))


def neighbour_distance(features: Tensor, bank: Bank, *, share: float, image: str | None = None) -> Tensor:
    """Mean cosine distance of every cell to its nearest cells in the most similar images of a bank, one cell an image.

    Args:
        features: (C, h, w), finite, of one image, on the device of the bank.
        bank: of the same layer.
        share: of the bank's images that counts, in (0, 1]: those whose nearest cells are nearest, at least one.
        image: id of the image, which is not compared with itself.

    Returns:
        (h, w) float32 in [0, 2]; 0 where the bank holds no other image.
    """
    if not 0 < share <= 1:
        raise FirstsightError(f"share is {share}, but must be above 0 and at most 1")
    others = [index for index, name in enumerate(bank.images) if name != image]
    cells = normalize(features.float().flatten(1).T, dim=1)
    if not others:
        return torch.zeros(features.shape[1:], device=features.device)
    known = bank.cells[others].flatten(0, 1)
    count = max(1, int(share * len(others)))
    distances = []
    for block in torch.split(cells, max(1, _BLOCK_VALUES // len(known))):
        nearest = (block @ known.T).view(len(block), len(others), -1).amax(dim=2)
        distances.append(1 - nearest.topk(count, dim=1).values.mean(dim=1))
    return torch.cat(distances).clamp_(min=0).view(features.shape[1:])
