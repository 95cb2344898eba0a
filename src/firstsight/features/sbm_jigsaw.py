"""The jigsaw of SBM: which permutations of the tiles there are, and images put together anew by them."""

import math
from itertools import permutations as all_permutations

import torch
from torch import Tensor

from firstsight.errors import FirstsightError

# Permutations that are looked at; 3 x 3 tiles have 362,880, and 5 x 5 more than could ever be listed.
_CANDIDATES = 10_000
_MOST = 1000


def choose_permutations(tiles: int, count: int, generator: torch.Generator) -> Tensor:
    """Permutations of the tiles that differ from each other in as many places as may be.

    The paper takes P of them at random. Then some differ in two places only, and are told apart by hardly anything; so
    each next one is, of 10,000 random candidates (all, where there are not more), the one whose smallest Hamming
    distance to those chosen is largest (Noroozi and Favaro 2016, and JiGen, Carlucci et al. 2019). The first is the
    identity: as in JiGen, the whole image is one of the classes.

    Args:
        tiles: n^2.
        count: P.
        generator: on the CPU.

    Returns:
        (P, n^2) int64, on the CPU; no two rows are the same.

    Raises:
        FirstsightError: more permutations than there are, or than 1000.
    """
    if count > min(math.factorial(tiles), _MOST):
        most = min(math.factorial(tiles), _MOST)
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
    """Images (B, C, n * h, n * w) as tiles (B, n^2, C, h, w), row by row."""
    count, channels, height, width = images.shape
    rows = images.reshape(count, channels, grid, height // grid, grid, width // grid)
    return rows.permute(0, 2, 4, 1, 3, 5).flatten(1, 2)


def join_tiles(tiles: Tensor, grid: int) -> Tensor:
    """Tiles (B, n^2, C, h, w) as images (B, C, n * h, n * w): what `cut_tiles` was given."""
    count, _, channels, height, width = tiles.shape
    rows = tiles.reshape(count, grid, grid, channels, height, width)
    return rows.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def shuffle_tiles(images: Tensor, permutations: Tensor, grid: int) -> Tensor:
    """Images put together anew: place i holds tile ``permutations[i]`` of the image.

    Args:
        images: (B, C, H, W), H and W multiples of ``grid``.
        permutations: (B, n^2), one for each image; by their inverse (``permutations.argsort(1)``) the result becomes
            the images again.
        grid: n, the tiles a side.

    Returns:
        (B, C, H, W).
    """
    tiles = cut_tiles(images, grid)
    each = torch.arange(len(images), device=images.device)[:, None]
    return join_tiles(tiles[each, permutations.to(images.device)], grid)
