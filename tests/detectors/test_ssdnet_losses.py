"""The losses of SSDnet against slow, obvious ones."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.detectors.ssdnet_losses import anomaly_scores, inner_product, squared_error, training_loss
from oracles import ssdnet as oracle

RNG = np.random.default_rng(0)


def tensor(values: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def test_squared_error() -> None:
    images, outputs = RNG.random((2, 3, 5, 7)), RNG.random((2, 3, 5, 7))
    found = squared_error(tensor(images), tensor(outputs))
    np.testing.assert_allclose(found.numpy(), ((images - outputs) ** 2).mean(1), rtol=1e-5)


@pytest.mark.parametrize("size", [(8, 12), (9, 13), (4, 5)])
@pytest.mark.parametrize("stride", [1, 2, None])
def test_the_inner_product_equals_the_oracle(size: tuple[int, int], stride: int | None) -> None:
    cells = tuple(length // stride if stride else 3 * length for length in size)
    features, others = RNG.random((2, 6, *cells)), RNG.random((2, 6, *cells))
    found = inner_product(tensor(features), tensor(others), size, stride)
    for image in range(2):
        expected = oracle.inner_product(features[image], others[image], size, stride)
        np.testing.assert_allclose(found[image].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("weights", [(1.0, 0.0), (0.0, 1.0), (0.7, 0.2)])
@pytest.mark.parametrize(
    ("patch_sizes", "aggregate"), [((1,), "max"), ((4,), "min"), ((2, 3, 7), "max"), ((2, 5), "min")]
)
@pytest.mark.parametrize("missing", [False, True])
def test_equation_2(weights: tuple[float, float], patch_sizes: tuple[int, ...], aggregate: str, missing: bool) -> None:
    error, similarity = RNG.random((2, 2, 7, 10))
    known = np.ones((2, 7, 10), dtype=bool)
    if missing:
        known[0, 1:6, 2:9] = False
        known[1, ::2] = False
    settings: dict[str, Any] = {
        "w_rec": weights[0],
        "w_perc": weights[1],
        "patch_sizes": patch_sizes,
        "aggregate": aggregate,
    }
    found = training_loss(
        tensor(error) if weights[0] else None,
        tensor(similarity) if weights[1] else None,
        torch.from_numpy(known),
        **settings,
    )
    assert found.item() == pytest.approx(oracle.training_loss(error, similarity, known, **settings), rel=1e-4)


def test_equation_2_of_missing_pixels_is_0_and_has_a_gradient() -> None:
    error = torch.rand(1, 6, 6, requires_grad=True)
    missing = torch.zeros(1, 6, 6, dtype=torch.bool)
    loss = training_loss(error, None, missing, w_rec=1.0, w_perc=0.0, patch_sizes=(3,), aggregate="max")
    loss.backward()
    assert loss.item() == 0
    assert error.grad is not None
    assert (error.grad == 0).all()


@pytest.mark.parametrize(
    ("size", "patch_sizes", "aggregate"),
    [((7, 10), (1,), "max"), ((7, 10), (2, 3, 5), "max"), ((7, 10), (2, 4), "min"), ((5, 6), (5,), "min")],
)
@pytest.mark.parametrize("alpha_perc", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("min_max", [False, True])
@pytest.mark.parametrize("missing", [False, True])
def test_equation_3(
    size: tuple[int, int],
    patch_sizes: tuple[int, ...],
    aggregate: str,
    *,
    alpha_perc: float,
    min_max: bool,
    missing: bool,
) -> None:
    error, similarity = RNG.random((2, *size))
    known = np.ones(size, dtype=bool)
    if missing:
        known[:4, 1:5] = False
        known[4] = False
    settings: dict[str, Any] = {
        "alpha_perc": alpha_perc,
        "patch_sizes": patch_sizes,
        "aggregate": aggregate,
        "min_max": min_max,
    }
    found = anomaly_scores(
        tensor(error), tensor(similarity) if alpha_perc else None, torch.from_numpy(known), **settings
    )
    expected = oracle.anomaly_scores(error, similarity, known, **settings)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("min_max", [False, True])
def test_a_constant_error_has_a_constant_score(min_max: bool) -> None:
    found = anomaly_scores(
        torch.full((9, 12), 0.25),
        None,
        torch.ones(9, 12, dtype=torch.bool),
        alpha_perc=0.0,
        patch_sizes=(4, 9),
        aggregate="max",
        min_max=min_max,
    )
    # Nothing fades out at the frame.
    torch.testing.assert_close(found, torch.full((9, 12), 0.0 if min_max else 0.25))
