"""Loss and score of CFA against loops over cells and centres."""

import numpy as np
import pytest
import torch

from firstsight.detectors.cfa_network import CfaNetwork, cfa_loss, cfa_score, nearest_squares, with_coordinates
from firstsight.storage.geometry import Geometry
from oracles import cfa as oracle


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("centres", [1, 3, 4, 6, 20])
@pytest.mark.parametrize("radius", [0.0, 1.2, 4.0])
def test_the_loss_is_that_of_the_loop(centres: int, radius: float) -> None:
    cells, known = normal(9, 4), normal(centres, 4, seed=1)
    found = cfa_loss(cells, known, torch.tensor(radius, dtype=torch.float64))
    assert found.item() == pytest.approx(oracle.loss(cells.numpy(), known.numpy(), radius))


@pytest.mark.parametrize("centres", [1, 2, 3, 20])
def test_the_score_is_that_of_the_loop(centres: int) -> None:
    cells, known = normal(9, 4), normal(centres, 4, seed=1)
    np.testing.assert_allclose(cfa_score(cells, known).numpy(), oracle.score(cells.numpy(), known.numpy()))


def test_a_centre_itself_has_score_zero() -> None:
    known = normal(8, 5).float() + 1000
    assert cfa_score(known, known).abs().max() == 0


def test_gradients_draw_cells_to_their_centres_and_reach_the_radius() -> None:
    cells, known = normal(6, 4).requires_grad_(), normal(10, 4, seed=1)
    radius = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)
    cfa_loss(cells, known, radius).backward()
    assert cells.grad is not None
    closer = nearest_squares(cells.detach() - 1e-4 * cells.grad, known, 3)
    assert closer.sum() < nearest_squares(cells.detach(), known, 3).sum()
    assert radius.grad is not None
    assert radius.grad < 0


@pytest.mark.parametrize("size", [(3, 5), (1, 4), (1, 1)])
def test_cells_know_their_place_in_the_frame(size: tuple[int, int]) -> None:
    found = with_coordinates(torch.zeros(2, *size))
    assert found.shape == (4, *size)
    rows, columns = found[2], found[3]
    for values, count in ((rows[:, 0], size[0]), (columns[0], size[1])):
        expected = [2 * index / (count - 1) - 1 for index in range(count)] if count > 1 else [0.0]
        np.testing.assert_allclose(values.numpy(), expected, atol=1e-6)


def test_picked_cells_are_those_of_the_whole_image() -> None:
    network = CfaNetwork(7, 5, None, torch.Generator().manual_seed(0))
    features = {"fine": normal(3, 6, 4).float(), "coarse": normal(4, 3, 2).float()}
    places = {"fine": Geometry(24, 16, 24, 16, 4, 0.0), "coarse": Geometry(24, 16, 24, 16, 8, 0.0)}
    picked = torch.tensor([5, 0, 23])
    torch.testing.assert_close(network(features, places, picked), network(features, places)[picked])
