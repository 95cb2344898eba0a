"""The jigsaw of SBM: choosing permutations of the tiles, and rearranging images by them."""

import math
from itertools import permutations as all_permutations

import torch
from torch import Tensor

from firstsight.errors import FirstsightError

# Permutations to choose from; 3 x 3 tiles have 362,880, 5 x 5 tiles more than could ever be listed.
_CANDIDATES = 10_000
_MOST = 1000


def choose_permutations(tiles: int, count: int, generator: torch.Generator) -> Tensor:
    """Permutations of the tiles that differ from one another in as many positions as possible.

    The paper draws P of them at random. Some of these differ in two positions only and can hardly be told apart; so
    every next one is the candidate, out of 10,000 random ones (or all, if there are fewer), whose smallest Hamming
    distance to those chosen is largest (Noroozi and Favaro 2016, and JiGen, Carlucci et al. 2019). The first is the
    identity: as in JiGen, the whole image is one of the classes.

    Args:
        tiles: n^2.
        count: P.
        generator: on the CPU.

    Returns:
        (P, n^2) int64, on the CPU; all rows are different.

    Raises:
        FirstsightError: more permutations than exist, or than 1000.
    """
    most = min(math.factorial(tiles), _MOST)
    if count > most:
        raise FirstsightError(f"permutations is {count}, but of {tiles} tiles at most {most} are used")
    if math.factorial(tiles) <= _CANDIDATES:
        candidates = torch.tensor(list(all_permutations(range(tiles))))
        candidates = candidates[torch.randperm(len(candidates), generator=generator)]
    else:
        candidates = torch.rand((_CANDIDATES, tiles), generator=generator).argsort(dim=1)
    chosen = [torch.arange(tiles)]
    distances = (candidates != chosen[0]).sum(dim=1)
    while len(chosen) < count:
        chosen.append(candidates[distances.argmax()])
        distances = torch.minimum(distances, (candidates != chosen[-1]).sum(dim=1))
    return torch.stack(chosen)


def cut_tiles(images: Tensor, grid: int) -> Tensor:
    """Cut images (B, C, n * h, n * w) into tiles (B, n^2, C, h, w), row by row."""
    count, channels, height, width = images.shape
    rows = images.reshape(count, channels, grid, height // grid, grid, width // grid)
    return rows.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def join_tiles(tiles: Tensor, grid: int) -> Tensor:
    """Join tiles (B, n^2, C, h, w) into images (B, C, n * h, n * w): the inverse of `cut_tiles`."""
    count, _, channels, height, width = tiles.shape
    rows = tiles.reshape(count, grid, grid, channels, height, width)
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def shuffle_tiles(images: Tensor, permutations: Tensor, grid: int) -> Tensor:
    """Rearrange the tiles of images: position i gets tile ``permutations[i]``.

    Args:
        images: (B, C, H, W), H and W multiples of ``grid``.
        permutations: (B, n^2), one per image; their inverse (``permutations.argsort(1)``) restores the images.
        grid: n, the tiles per side.

    Returns:
        (B, C, H, W).
    """
    tiles = cut_tiles(images, grid)
    rows = torch.arange(len(images), device=images.device)[:, None]
    return join_tiles(tiles[rows, permutations.to(images.device)], grid)
