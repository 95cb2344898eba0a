"""The compiled kernel where it changes its ways: tiles, types of its counters, ties, threads, several references."""

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.detectors.windows import centre_weights, spread_weights
from firstsight.kernels import feature_correspondence as module
from firstsight.kernels.feature_correspondence import feature_correspondence
from oracles import patch_statistics as oracle


def relu_features(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.maximum(np.random.default_rng(seed).normal(size=shape), 0).astype(np.float32)


def sorted_windows(count: int, channels: int, patch_size: int, seed: int = 1) -> NDArray[np.float32]:
    """(C, T * T, N), ascending along both last axes."""
    values = np.random.default_rng(seed).normal(size=(channels, patch_size**2, count)).astype(np.float32)
    return np.sort(np.sort(values, axis=1), axis=2)


def fca(
    features: NDArray[np.float32], references: NDArray[np.float32], patch_size: int, threads: int = 2
) -> NDArray[np.float32]:
    rows, columns = (spread_weights(size, patch_size, 3.0, 1.0, renormalise=True) for size in features.shape[1:])
    return feature_correspondence(features, references, rows, columns, threads=threads)


@pytest.mark.parametrize("tile", [(1, 1), (3, 4), (64, 64)])
def test_tiles_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch, tile: tuple[int, int]) -> None:
    features, references = relu_features(2, 11, 13), sorted_windows(1, 2, 5)
    expected = oracle.fca(features, references[:, :, 0], patch_size=5)
    monkeypatch.setattr(module, "TILE_ROWS", tile[0])
    monkeypatch.setattr(module, "TILE_COLUMNS", tile[1])
    np.testing.assert_allclose(fca(features, references, 5), expected, rtol=1e-5)


@pytest.mark.parametrize("patch_size", [11, 13, 17])
def test_windows_of_any_number_of_cells_are_counted_right(patch_size: int) -> None:
    # 2 T^2 passes 2^8 between 11 and 13; T^2 does between 15 and 17.
    features, references = relu_features(1, patch_size, patch_size + 1), sorted_windows(1, 1, patch_size)
    expected = oracle.fca(features, references[:, :, 0], patch_size=patch_size)
    np.testing.assert_allclose(fca(features, references, patch_size), expected, rtol=1e-5)


def tied_features(kind: str, *shape: int) -> NDArray[np.float32]:
    features = relu_features(*shape)
    if kind == "half precision":
        return (features - np.float32(0.3)).astype(np.float16).astype(np.float32)
    if kind == "few levels":
        return np.round(features * 2) - np.float32(1)
    return np.full_like(features, -0.7) if kind == "constant" else features


KINDS = ["half zeros", "half precision", "few levels", "constant"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(1, 26, 9, 9), (1, 12, 11, 11)])
def test_ties_and_reflections_are_shared(shape: tuple[int, int, int, int], kind: str) -> None:
    *sizes, patch_size = shape
    features, references = tied_features(kind, *sizes), sorted_windows(1, 1, patch_size)
    expected = oracle.fca(features, references[:, :, 0], patch_size=patch_size)
    np.testing.assert_allclose(fca(features, references, patch_size), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(2, 15, 140, 15), (2, 41, 17, 17), (2, 66, 26, 25)])
def test_in_large_windows_a_reference_counts_as_itself_given_twice(shape: tuple[int, int, int, int], kind: str) -> None:
    # Several references have a table of costs for every cell, and no others.
    *sizes, patch_size = shape
    features, references = tied_features(kind, *sizes), sorted_windows(1, 2, patch_size)
    expected = fca(features, references.repeat(2, axis=2), patch_size)
    np.testing.assert_allclose(fca(features, references, patch_size), expected, rtol=1e-5)


def test_a_region_of_more_than_65536_cells_is_ranked_right(monkeypatch: pytest.MonkeyPatch) -> None:
    features, references = relu_features(1, 300, 300), sorted_windows(1, 1, 3)
    expected = fca(features, references, 3)
    monkeypatch.setattr(module, "TILE_ROWS", 300)
    monkeypatch.setattr(module, "TILE_COLUMNS", 300)
    np.testing.assert_allclose(fca(features, references, 3), expected, rtol=1e-5)


def test_several_references_have_the_mean_of_their_maps() -> None:
    features, references = relu_features(2, 9, 12), sorted_windows(4, 2, 3)
    features[:, 2:5, 2:6] = 0.25
    maps = [oracle.fca(features, references[:, :, i], patch_size=3) for i in range(4)]
    np.testing.assert_allclose(fca(features, references, 3), np.mean(maps, axis=0), rtol=1e-5)


@pytest.mark.parametrize("count", [1, 3])
def test_references_need_not_come_from_the_features(count: int) -> None:
    # The least value of the features may lie anywhere among the references.
    features, references = relu_features(2, 9, 12) - np.float32(0.3), sorted_windows(count, 2, 5)
    maps = [oracle.fca(features, references[:, :, i], patch_size=5) for i in range(count)]
    np.testing.assert_allclose(fca(features, references, 5), np.mean(maps, axis=0), rtol=1e-5)


def test_signed_zeros_are_equal() -> None:
    features, references = np.zeros((1, 6, 6), np.float32), sorted_windows(1, 1, 3)
    features[0, 1] = -1
    expected = fca(features, references, 3)
    features[0, ::2, ::2] = -0.0
    np.testing.assert_array_equal(fca(features, references, 3), expected)


@pytest.mark.parametrize("levels", [2, 3, 50])
def test_the_order_of_equal_cells_does_not_matter(levels: int) -> None:
    generator = np.random.default_rng(levels)
    features = generator.integers(0, levels, (3, 12, 12)).astype(np.float32)
    references = sorted_windows(1, 3, 5)
    found = fca(features, references, 5)
    np.testing.assert_allclose(fca(features[:, ::-1].copy(), references, 5)[::-1], found, rtol=1e-5)
    np.testing.assert_allclose(fca(features.transpose(0, 2, 1).copy(), references, 5).T, found, rtol=1e-5)


def test_any_number_of_threads_gives_the_same_bits() -> None:
    features, references = relu_features(3, 70, 40), sorted_windows(1, 3, 5)
    expected = fca(features, references, 5, threads=1)
    for threads in (2, 5):
        np.testing.assert_array_equal(fca(features, references, 5, threads=threads), expected)


def test_windows_may_gather_in_their_centres() -> None:
    features, references = relu_features(2, 8, 11), sorted_windows(1, 2, 5)
    rows, columns = (centre_weights(size, 5, 6.0) for size in features.shape[1:])
    found = feature_correspondence(features, references, rows, columns, threads=1)
    expected = oracle.sample_weighted_wasserstein(features, references[:, :, 0], patch_size=5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
