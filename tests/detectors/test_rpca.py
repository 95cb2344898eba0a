"""Robust PCA against a slow solver, and against matrices whose parts are known."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.detectors.rpca import RpcaSettings, detect, robust_pca
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from oracles import rpca as oracle


def low_rank_plus_sparse(
    rows: int, columns: int, rank: int = 2, share: float = 0.05, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    low_rank = rng.normal(size=(rows, rank)) @ rng.normal(size=(rank, columns))
    sparse = np.where(rng.random((rows, columns)) < share, rng.choice([-5.0, 5.0], size=(rows, columns)), 0)
    return low_rank, sparse


def stripes(height: int, width: int) -> torch.Tensor:
    return 0.5 + 0.3 * torch.sin(torch.arange(width) * 0.7).expand(height, width).clone()


@pytest.mark.parametrize("shape", [(60, 80), (80, 60), (80, 200)])
def test_known_parts_are_recovered(shape: tuple[int, int]) -> None:
    low_rank, sparse = low_rank_plus_sparse(*shape)
    found_low_rank, found_sparse = robust_pca(torch.from_numpy(low_rank + sparse), 1 / max(shape) ** 0.5)
    assert found_low_rank.dtype == found_sparse.dtype == torch.float64
    np.testing.assert_allclose(found_low_rank.numpy(), low_rank, atol=1e-4)
    np.testing.assert_allclose(found_sparse.numpy(), sparse, atol=1e-4)


@pytest.mark.parametrize("shape", [(12, 20), (20, 12), (1, 9), (15, 15)])
def test_the_minimum_is_that_of_the_oracle(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).random(shape)
    weight = 1 / max(shape) ** 0.5
    expected = oracle.objective(*oracle.robust_pca(matrix, weight), weight)
    low_rank, sparse = (part.numpy() for part in robust_pca(torch.from_numpy(matrix), weight, iterations=100))
    np.testing.assert_allclose(low_rank + sparse, matrix, atol=1e-6)
    # The penalty of the inexact method grows, so that it stops a little above the minimum.
    found = oracle.objective(low_rank, sparse, weight)
    assert expected * (1 - 1e-6) <= found <= expected * 1.02


def test_a_matrix_of_zeros_has_no_parts() -> None:
    low_rank, sparse = robust_pca(torch.zeros(4, 7), 0.3)
    assert (low_rank == 0).all()
    assert (sparse == 0).all()


def test_iterations_end() -> None:
    matrix = torch.rand(10, 12, generator=torch.Generator().manual_seed(0))
    one, _ = robust_pca(matrix, 0.3, iterations=1)
    many, _ = robust_pca(matrix, 0.3, iterations=50)
    assert not torch.allclose(one, many)


def test_a_spot_on_stripes_stands_out_and_its_score_is_its_contrast() -> None:
    image = stripes(80, 96)
    image[30:34, 50:54] += 0.4
    found = detect({"image": image.expand(3, -1, -1)}, {}, RpcaSettings(sigma=0.1))
    assert found.shape == (80, 96)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[30:34, 50:54], torch.full((4, 4), 0.4), atol=0.05, rtol=0)
    found[30:34, 50:54] = 0
    assert found.max() < 0.05


def test_a_spot_at_the_corner_counts_as_much() -> None:
    image = stripes(80, 96)
    image[:4, :4] += 0.4
    found = detect({"image": image.expand(3, -1, -1)}, {}, RpcaSettings(sigma=0.1))
    assert found[:4, :4].min() > 0.3


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_image_has_nothing_in_it(value: float) -> None:
    found = detect({"image": torch.full((3, 40, 40), value)}, {}, RpcaSettings())
    assert found.abs().max() < 1e-5


def test_large_images_are_reduced_and_missing_pixels_filled() -> None:
    image = torch.rand(3, 90, 120, generator=torch.Generator().manual_seed(0))
    image[:, 3:9, 100:] = torch.nan
    found = detect({"image": image}, {}, RpcaSettings(image_size=48))
    assert found.shape == (90, 120)
    assert found.isfinite().all()


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(FirstsightError, match="patch_size is 16, but the image is only 1 x 90"):
        detect({"image": torch.rand(3, 1, 90)}, {}, RpcaSettings())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"patch_size": 0}, "patch_size: 0"),
        ({"step": 17}, "step: 17 should be at most patch_size"),
        ({"sparsity": 0}, "sparsity: 0"),
        ({"tolerance": -1.0}, "tolerance: -1"),
        ({"iterations": 0}, "iterations: 0"),
        ({"sigma": float("inf")}, "sigma: inf"),
        ({"image_size": 0}, "image_size: 0"),
    ],
)
def test_wrong_settings_are_named(given: dict[str, float], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(RpcaSettings, given, ("detectors", "rpca"))
