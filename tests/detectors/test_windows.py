"""Gaussian means with mirrored borders, against sums over pixels."""

import math

import numpy as np
import pytest
import torch

from firstsight.detectors.windows import mirrored, smooth
from oracles import image_input as oracle


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_mirrored_indices_equal_the_oracle(size: int) -> None:
    expected = [oracle.mirror(index, size) for index in range(-9, size + 11)]
    assert mirrored(size, 9, 11, torch.device("cpu")).tolist() == expected


@pytest.mark.parametrize(("shape", "sigma"), [((9, 12), 1.0), ((1, 5), 1.5), ((4, 3), 2.0)])
def test_smoothing_equals_the_oracle(shape: tuple[int, int], sigma: float) -> None:
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    smoothed = smooth(torch.from_numpy(values), sigma, reach=math.ceil(4 * sigma)).numpy()
    np.testing.assert_allclose(smoothed, oracle.smooth(values, sigma), rtol=1e-5)


@pytest.mark.parametrize(("shape", "sigma", "reach"), [((9, 12), 1.0, 3), ((8, 3), 1.0, 2), ((5, 6), 0.3, 1)])
def test_without_a_reach_three_deviations_count_or_a_whole_map(
    shape: tuple[int, int], sigma: float, reach: int
) -> None:
    values = torch.from_numpy(np.random.default_rng(0).random(shape).astype(np.float32))
    assert torch.equal(smooth(values, sigma), smooth(values, sigma, reach=reach))
    assert not torch.equal(smooth(values, sigma), smooth(values, sigma, reach=reach + 1))


@pytest.mark.parametrize(("shape", "sigma"), [((4, 5), 0.0), ((1, 5), 2.0)])
def test_nothing_within_reach_changes_nothing(shape: tuple[int, int], sigma: float) -> None:
    values = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(smooth(values, sigma), values)
