import math

import numpy as np
import pytest
import torch

from firstsight.errors import FirstsightError
from firstsight.features.sbm_jigsaw import choose_permutations, cut_tiles, join_tiles, shuffle_tiles
from oracles import sbm as oracle


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("grid", "count"), [(2, 24), (2, 5), (3, 30), (4, 10)])
def test_permutations_are_permutations_and_distinct(grid: int, count: int) -> None:
    found = choose_permutations(grid**2, count, seeded())
    assert found.shape == (count, grid**2)
    assert torch.equal(found.sort(dim=1).values, torch.arange(grid**2).expand(count, -1))
    assert len({tuple(row) for row in found.tolist()}) == count
    assert found[0].tolist() == list(range(grid**2))


def test_permutations_differ_in_more_places_than_random_ones() -> None:
    chosen = oracle.smallest_distance(choose_permutations(9, 30, seeded()).tolist())
    by_chance = [
        oracle.smallest_distance(
            [torch.randperm(9, generator=seeded(1000 * trial + each)).tolist() for each in range(30)]
        )
        for trial in range(5)
    ]
    assert chosen >= 7 > max(by_chance)


def test_permutations_are_those_of_the_seed() -> None:
    first = choose_permutations(9, 12, seeded(3))
    assert torch.equal(first, choose_permutations(9, 12, seeded(3)))
    assert not torch.equal(first, choose_permutations(9, 12, seeded(4)))


@pytest.mark.parametrize(("tiles", "most"), [(4, math.factorial(4)), (9, 1000)])
def test_more_permutations_than_there_are_is_a_mistake(tiles: int, most: int) -> None:
    assert len(choose_permutations(tiles, most, seeded()).unique(dim=0)) == most
    with pytest.raises(FirstsightError, match=f"permutations is {most + 1}, but of {tiles} tiles at most {most}"):
        choose_permutations(tiles, most + 1, seeded())


@pytest.mark.parametrize(("grid", "height", "width"), [(2, 3, 5), (3, 4, 2), (1, 3, 3)])
def test_shuffling_equals_the_oracle_and_its_inverse_undoes_it(grid: int, height: int, width: int) -> None:
    images = torch.rand((3, 2, grid * height, grid * width), generator=seeded())
    permutations = torch.stack([torch.randperm(grid**2, generator=seeded(each)) for each in range(3)])
    shuffled = shuffle_tiles(images, permutations, grid)
    for image, permutation, found in zip(images.numpy(), permutations.tolist(), shuffled.numpy(), strict=True):
        np.testing.assert_array_equal(found, oracle.shuffle_tiles(image, permutation, grid))
    assert torch.equal(shuffle_tiles(shuffled, permutations.argsort(1), grid), images)


def test_cut_tiles_are_joined_to_the_same_images() -> None:
    images = torch.rand((2, 3, 6, 9), generator=seeded())
    tiles = cut_tiles(images, 3)
    assert tiles.shape == (2, 9, 3, 2, 3)
    assert torch.equal(tiles[1, 5], images[1, :, 2:4, 6:9])
    assert torch.equal(join_tiles(tiles, 3), images)
