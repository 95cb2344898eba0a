"""Distances to other images' cells, against an oracle that looks at one cell at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.blind import neighbours
from firstsight.detectors.blind.neighbours import Bank, draw_bank, neighbour_distance
from firstsight.errors import FirstsightError
from firstsight.storage.stored_images import stored_images
from oracles import neighbours as oracle


def bank_of(cells: np.ndarray) -> Bank:
    lengths = np.linalg.norm(cells, axis=2, keepdims=True)
    unit = np.divide(cells, lengths, out=np.zeros_like(cells), where=lengths > 0)
    return Bank(torch.from_numpy(unit), tuple(f"{index}.png" for index in range(len(cells))))


@pytest.mark.parametrize(
    ("images", "cells", "channels", "shape"), [(1, 1, 1, (1, 1)), (4, 3, 5, (3, 7)), (7, 2, 2, (6, 1))]
)
@pytest.mark.parametrize("share", [0.05, 0.3, 1.0])
def test_distances_are_those_of_the_oracle(
    images: int, cells: int, channels: int, shape: tuple[int, int], share: float
) -> None:
    generator = np.random.default_rng(images)
    others = generator.normal(size=(images, cells, channels)).astype(np.float32)
    features = generator.normal(size=(channels, *shape)).astype(np.float32)
    features[:, 0, 0] = 0
    found = neighbour_distance(torch.from_numpy(features), bank_of(others), share=share)
    expected = oracle.neighbour_distance(features, list(others), share)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5)


def test_an_image_is_not_compared_with_itself() -> None:
    others = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    features = torch.from_numpy(others[1].T.reshape(5, 2, 2).copy())
    bank = bank_of(others)
    assert neighbour_distance(features, bank, share=0.01).max() < 1e-6
    without = oracle.neighbour_distance(features.numpy(), [others[0], others[2]], 0.01)
    np.testing.assert_allclose(neighbour_distance(features, bank, share=0.01, image="1.png"), without, atol=1e-5)


def test_no_other_image_gives_no_distance() -> None:
    features = torch.rand(5, 2, 3, generator=torch.Generator().manual_seed(0))
    alone = bank_of(np.ones((1, 2, 5), np.float32))
    assert torch.equal(neighbour_distance(features, alone, share=0.3, image="0.png"), torch.zeros(2, 3))


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
    bank = draw_bank(stored, "fine", count=10, cells=7, seed=3)
    assert sorted(bank.images) == ["0.png", "1.png", "2.png", "3.png", "last.png"]
    assert bank.cells.shape == (5, 7, 3)
    for name, cells in zip(bank.images, bank.cells.numpy(), strict=True):
        own = images.get(name, images["0.png"])["fine"].reshape(3, -1).T
        own = own / np.linalg.norm(own, axis=1, keepdims=True)
        assert all(np.isclose(own, cell, atol=1e-6).all(axis=1).any() for cell in cells)
    again = draw_bank(stored, "fine", count=10, cells=7, seed=3)
    assert again.images == bank.images
    assert torch.equal(again.cells, bank.cells)
    assert draw_bank(stored, "fine", count=2, cells=7, seed=3).images == bank.images[:2]


def test_a_collection_without_features_has_no_bank(write_store: Callable[..., Any]) -> None:
    with pytest.raises(FirstsightError, match="no image"):
        draw_bank(stored_images([write_store("a", {"x.png": None})]), "fine", count=2, cells=2, seed=0)
