"""Several terms in one score, against a slow, obvious way."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.detectors.ssdnet_combination import combined_scores
from oracles import ssdnet as oracle

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(
    ("size", "patch_sizes", "aggregate"),
    [((7, 10), (1,), "max"), ((7, 10), (2, 5), "max"), ((8, 9), (2, 4), "min"), ((5, 6), (5,), "min")],
)
@pytest.mark.parametrize("missing", [False, True])
def test_the_scores_equal_the_oracle(
    count: int, size: tuple[int, int], patch_sizes: tuple[int, ...], aggregate: str, *, missing: bool
) -> None:
    # In units as different as those of errors and similarities.
    terms = [(10.0**power) * RNG.normal(size=size) for power in range(-2, count - 2)]
    known = np.ones(size, dtype=bool)
    if missing:
        known[:4, 1:5] = False
        known[4] = False
    settings: dict[str, Any] = {"patch_sizes": patch_sizes, "aggregate": aggregate}
    tensors = [torch.from_numpy(term.astype(np.float32)) for term in terms]
    found = combined_scores(tensors, torch.from_numpy(known), **settings)
    np.testing.assert_allclose(found.numpy(), oracle.combined_scores(terms, known, **settings), rtol=1e-3, atol=1e-3)


def scores(*terms: torch.Tensor) -> torch.Tensor:
    return combined_scores(terms, torch.ones_like(terms[0], dtype=torch.bool), patch_sizes=(1,), aggregate="max")


def test_units_do_not_matter_and_no_term_hides_another() -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, 20, 30, generator=generator)
    one[4, 5], other[4, 5] = 12, -12
    other[9, 9], one[9, 9] = 12, -12
    found = scores(one, other)
    torch.testing.assert_close(scores(1e4 * one - 7, 1e-2 * other + 3), found, rtol=1e-3, atol=1e-3)
    expected = {(4, 5), (9, 9)}
    assert {divmod(int(place), 30) for place in found.flatten().topk(2).indices} == expected


def test_rounding_errors_are_no_scores() -> None:
    nothing = 0.25 + 1e-8 * torch.rand(9, 12, generator=torch.Generator().manual_seed(1))
    nothing[3, 3] += 1e-7
    found = scores(nothing, torch.full((9, 12), -5e4))
    torch.testing.assert_close(found, torch.full((9, 12), math.log(2) * math.sqrt(2)), rtol=1e-3, atol=0)
