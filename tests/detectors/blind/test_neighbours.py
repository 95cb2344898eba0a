"""Distances to other images' cells, against an oracle that looks at one cell at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.blind import neighbours
from firstsight.detectors.blind.neighbours import LEAST_LOCAL, Bank, draw_bank, local_distances, neighbour_distance
from firstsight.errors import FirstsightError
from firstsight.storage.stored_images import stored_images
from oracles import neighbours as oracle


def unit(cells: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(cells, axis=2, keepdims=True)
    return np.divide(cells, lengths, out=np.zeros_like(cells), where=lengths > 0)


def bank_of(cells: np.ndarray) -> Bank:
    """With local distances that differ from cell to cell."""
    local = np.random.default_rng(5).uniform(0.5, 2, cells.shape[:2]).astype(np.float32)
    names = tuple(f"{index}.png" for index in range(len(cells)))
    return Bank(torch.from_numpy(unit(cells)), torch.from_numpy(local), names)


@pytest.mark.parametrize(
    ("images", "cells", "channels", "shape"), [(1, 1, 2, (1, 1)), (4, 3, 5, (3, 7)), (7, 2, 2, (6, 1))]
)
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_distances_are_those_of_the_oracle(
    images: int, cells: int, channels: int, shape: tuple[int, int], share: float
) -> None:
    generator = np.random.default_rng(images)
    others = generator.normal(size=(images, cells, channels)).astype(np.float32)
    features = generator.normal(size=(channels, *shape)).astype(np.float32)
    bank = bank_of(others)
    found = neighbour_distance(torch.from_numpy(features), bank, share=share)
    expected = oracle.neighbour_distance(features, list(others), bank.local.numpy(), share)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("images", "cells", "channels"), [(2, 1, 2), (4, 3, 5), (7, 6, 2)])
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_local_distances_are_those_of_the_oracle(images: int, cells: int, channels: int, share: float) -> None:
    bank = np.random.default_rng(images).normal(size=(images, cells, channels)).astype(np.float32)
    found = local_distances(torch.from_numpy(unit(bank)), share=share)
    np.testing.assert_allclose(found.numpy(), oracle.local_distances(list(bank), share, LEAST_LOCAL), atol=1e-5)


def test_a_cell_without_direction_is_as_far_as_a_right_angle() -> None:
    bank = bank_of(np.random.default_rng(3).normal(size=(3, 4, 5)).astype(np.float32))
    nothing = neighbour_distance(torch.zeros(5, 1, 1), bank, share=0.01)
    assert any(np.isclose(float(nothing), 1 / bank.local.numpy()).ravel())


def test_copies_of_one_image_are_no_dense_texture() -> None:
    """Two copies among five images: their cells' local distances are 0, and half the median instead."""
    cells = np.random.default_rng(4).normal(size=(5, 6, 3)).astype(np.float32)
    cells[1] = cells[0]
    local = local_distances(torch.from_numpy(unit(cells)), share=0.1)
    np.testing.assert_allclose(local[:2], LEAST_LOCAL * float(local.median()))
    copies = local_distances(torch.from_numpy(unit(np.stack([cells[0]] * 3))), share=1.0)
    assert torch.equal(copies, torch.ones(3, 6))


def test_an_edge_that_all_images_have_is_not_rare() -> None:
    """Ten cells of an image are alike, one is an edge, which varies: in other images it has its like, but not near."""
    generator = np.random.default_rng(6)

    def image() -> np.ndarray:
        calm = np.array([1, 0, 0, 0], np.float32) + 0.05 * generator.normal(size=(10, 4))
        return np.concatenate([calm, [[0, 1, 0, 0] + 0.5 * generator.normal(size=4)]]).astype(np.float32)

    cells = torch.from_numpy(unit(np.stack([image() for _ in range(12)])))
    searched = torch.from_numpy(unit(image()[None])[0].T.reshape(4, 1, 11).copy())
    searched[:, 0, 0] = torch.tensor([0.0, 0, 1, 0])
    bank = Bank(cells, local_distances(cells, share=0.3), tuple(map(str, range(12))))
    plain = Bank(cells, torch.ones(12, 11), bank.images)
    found, without = (neighbour_distance(searched, kept, share=0.3)[0] for kept in (bank, plain))
    assert found.argmax() == 0
    assert found[10] / found[1:10].median() < 0.3 * without[10] / without[1:10].median()


def test_an_image_is_not_compared_with_itself() -> None:
    others = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    features = torch.from_numpy(others[1].T.reshape(5, 2, 2).copy())
    bank = bank_of(others)
    assert neighbour_distance(features, bank, share=0.01).max() < 1e-6
    without = oracle.neighbour_distance(features.numpy(), [others[0], others[2]], bank.local.numpy()[[0, 2]], 0.01)
    np.testing.assert_allclose(neighbour_distance(features, bank, share=0.01, image="1.png"), without, atol=1e-5)


def test_without_another_image_all_cells_are_alike() -> None:
    features = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0))
    alone = bank_of(np.ones((1, 2, 5), np.float32))
    assert torch.equal(neighbour_distance(features, alone, share=0.3, image="0.png"), torch.ones(2, 3))


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    bank = bank_of(generator.normal(size=(5, 4, 3)).astype(np.float32))
    features = torch.from_numpy(generator.normal(size=(3, 9, 8)).astype(np.float32))
    whole = neighbour_distance(features, bank, share=0.5)
    monkeypatch.setattr(neighbours, "_BLOCK_VALUES", 50)
    torch.testing.assert_close(neighbour_distance(features, bank, share=0.5), whole)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1])
def test_a_share_out_of_range_is_named(share: float) -> None:
    with pytest.raises(FirstsightError, match=f"share is {share}"):
        neighbour_distance(torch.ones(2, 1, 1), bank_of(np.ones((1, 1, 2), np.float32)), share=share)


def test_a_bank_holds_cells_of_images_that_have_features(write_store: Callable[..., Any]) -> None:
    generator = np.random.default_rng(2)
    images = {f"{n}.png": {"fine": generator.random((3, 2, 2 + n), np.float32)} for n in range(4)}
    shards = [write_store("a", {**images, "broken.png": None}), write_store("b", {"last.png": images["0.png"]})]
    stored = stored_images(shards)
    bank = draw_bank(stored, "fine", count=10, cells=7, share=0.3, seed=3)
    assert sorted(bank.images) == ["0.png", "1.png", "2.png", "3.png", "last.png"]
    assert bank.cells.shape == (5, 7, 3)
    assert torch.equal(bank.local, local_distances(bank.cells, share=0.3))
    for name, cells in zip(bank.images, bank.cells.numpy(), strict=True):
        own = images.get(name, images["0.png"])["fine"].reshape(3, -1).T
        own = own / np.linalg.norm(own, axis=1, keepdims=True)
        assert all(np.isclose(own, cell, atol=1e-6).all(axis=1).any() for cell in cells)
    again = draw_bank(stored, "fine", count=10, cells=7, share=0.3, seed=3)
    assert again.images == bank.images
    assert torch.equal(again.cells, bank.cells)
    assert draw_bank(stored, "fine", count=2, cells=7, share=0.3, seed=3).images == bank.images[:2]


def test_a_collection_without_features_has_no_bank(write_store: Callable[..., Any]) -> None:
    with pytest.raises(FirstsightError, match="no image"):
        draw_bank(stored_images([write_store("a", {"x.png": None})]), "fine", count=2, cells=2, share=0.3, seed=0)
