"""Shuffled crops of images, some with a synthetic defect, on which SBM is trained."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from firstsight.collections.images import read_image
from firstsight.errors import FirstsightError
from firstsight.features.sbm_jigsaw import shuffle_tiles
from firstsight.features.sbm_synthesis import synthesise_defect

InputSize = Callable[[int, int], tuple[int, int]]
"""From an image's height and width to those at which it enters the extractor."""


def draw_crops(
    images: Sequence[Path],
    count: int,
    permutations: Tensor,
    generator: torch.Generator,
    *,
    image_size: InputSize,
    grid: int,
    tile_size: int,
    defects: float,
) -> tuple[Tensor, Tensor]:
    """Draw random crops of images, add defects to some, and shuffle the tiles of all.

    Memory holds the result and one image at a time. If there are more images than ``count``, a random choice gives one
    crop per image; otherwise every image gives an equal share (one more or less).

    Args:
        images: readable files.
        count: number of crops.
        permutations: (P, grid^2), see `choose_permutations`.
        generator: on the CPU.
        image_size: the size of an image when crops are cut from it (an image smaller than a crop is enlarged further).
        grid: tiles per side.
        tile_size: pixels per side of a tile.
        defects: the probability that a crop gets a synthetic defect.

    Returns:
        (count, 3, grid * tile_size, grid * tile_size) float32 in [0, 1], and the permutation of each crop, (count,)
        int64; the images are in random order.

    Raises:
        FirstsightError: an image that can no longer be read.
    """
    side = grid * tile_size
    order = torch.randperm(len(images), generator=generator)[:count]
    places = torch.randperm(count, generator=generator).tensor_split(len(order))
    crops = torch.empty(count, 3, side, side)
    for index, rows in zip(order.tolist(), places, strict=True):
        image = _read(images[index], image_size, side)
        for row in rows.tolist():
            crop = _random_crop(image, side, generator)
            if torch.rand((), generator=generator) < defects:
                crop, _ = synthesise_defect(crop, _random_crop(image, side, generator), generator)
            crops[row] = crop
    labels = torch.randint(len(permutations), (count,), generator=generator)
    return shuffle_tiles(crops, permutations[labels], grid), labels


def _read(path: Path, image_size: InputSize, least: int) -> Tensor:
    """An image at the extractor's size or larger: (3, H, W) float32, no side shorter than ``least``."""
    try:
        image = torch.from_numpy(read_image(path)).permute(2, 0, 1)[None]
    except FirstsightError as error:
        raise FirstsightError(f"{str(path)!r} can no longer be read: {error}") from None
    height, width = image_size(image.shape[2], image.shape[3])
    factor = max(1.0, least / min(height, width))
    size = (max(least, round(factor * height)), max(least, round(factor * width)))
    if tuple(image.shape[2:]) != size:
        image = interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)
    return image[0]


def _random_crop(image: Tensor, side: int, generator: torch.Generator) -> Tensor:
    top = int(torch.randint(image.shape[1] - side + 1, (), generator=generator))
    left = int(torch.randint(image.shape[2] - side + 1, (), generator=generator))
    return image[:, top : top + side, left : left + side]
