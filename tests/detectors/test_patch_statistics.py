"""The patch statistics against slow, obvious ones and against the authors' numbers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from firstsight.detectors import patch_statistics, reference_windows
from firstsight.detectors.reference_windows import random_positions
from firstsight.errors import FirstsightError
from oracles import patch_statistics as oracle
from real_textures import Tile, auroc_of

CASES = ["u9", "s9", "u3", "s5", "s25"]

# Channels, height, width and patch size: square, thin, exactly one window, a window of one cell.
SHAPES = [(3, 7, 5, 3), (2, 12, 17, 5), (1, 3, 21, 3), (2, 10, 9, 9), (3, 4, 4, 1), (2, 8, 13, 7), (1, 5, 5, 5)]
KINDS = ["distinct", "half zeros", "few levels", "constant", "signed"]

FAMILY = [
    patch_statistics.fca,
    patch_statistics.sample_weighted_wasserstein,
    patch_statistics.histogram,
    patch_statistics.moments,
]


def features_like(kind: str, *shape: int, seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).random(shape, dtype=np.float32)
    if kind == "half zeros":
        return np.maximum(values - np.float32(0.5), 0)
    if kind == "few levels":
        return np.round(values * 4) / np.float32(4)
    if kind == "constant":
        return np.full_like(values, 0.7)
    return values - np.float32(0.5) if kind == "signed" else values


def close(found: torch.Tensor, expected: NDArray[Any], rtol: float = 1e-5) -> None:
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=rtol, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_fca_equals_the_oracle(shape: tuple[int, int, int, int], kind: str) -> None:
    *sizes, patch_size = shape
    features = features_like(kind, *sizes)
    reference = oracle.median_reference(features, patch_size)
    expected = oracle.fca(features, reference, patch_size=patch_size)
    close(patch_statistics.fca(torch.from_numpy(features), patch_size=patch_size), expected)


@pytest.mark.parametrize("settings", [{"border": "paper"}, {"sigma_s": None}, {"sigma_s": 0.4, "sigma_p": 1.5}])
@pytest.mark.parametrize("kind", ["half zeros", "few levels"])
@pytest.mark.parametrize("shape", [(2, 12, 7, 5), (2, 6, 9, 3)])
def test_fca_equals_the_oracle_with_other_settings(
    shape: tuple[int, int, int, int], kind: str, settings: dict[str, Any]
) -> None:
    *sizes, patch_size = shape
    features = features_like(kind, *sizes)
    reference = oracle.median_reference(features, patch_size)
    expected = oracle.fca(features, reference, patch_size=patch_size, **settings)
    close(patch_statistics.fca(features, patch_size=patch_size, **settings), expected)


@pytest.mark.parametrize("seed", range(10))
def test_fca_equals_the_oracle_in_maps_of_any_shape(seed: int) -> None:
    generator = np.random.default_rng(seed)
    patch_size = int(generator.choice([1, 3, 5, 7]))
    shape = (generator.integers(1, 4), *generator.integers(patch_size, patch_size + 8, 2))
    features = features_like(generator.choice(KINDS), *shape, seed=seed)
    reference = oracle.median_reference(features, patch_size)
    close(patch_statistics.fca(features, patch_size=patch_size), oracle.fca(features, reference, patch_size=patch_size))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_sample_weighted_wasserstein_equals_the_oracle(shape: tuple[int, int, int, int], kind: str) -> None:
    *sizes, patch_size = shape
    features = features_like(kind, *sizes)
    reference = oracle.median_reference(features, patch_size)
    expected = oracle.sample_weighted_wasserstein(features, reference, patch_size=patch_size)
    close(patch_statistics.sample_weighted_wasserstein(features, patch_size=patch_size), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["histogram", "moments"])
def test_histogram_and_moments_equal_the_oracle(shape: tuple[int, int, int, int], kind: str, name: str) -> None:
    *sizes, patch_size = shape
    features = features_like(kind, *sizes)
    expected = getattr(oracle, name)(features, patch_size=patch_size)
    close(getattr(patch_statistics, name)(features, patch_size=patch_size), expected, rtol=1e-4)


def test_histogram_and_moments_equal_the_oracle_with_other_settings() -> None:
    features = features_like("half zeros", 2, 8, 11)
    expected = oracle.histogram(features, patch_size=5, sigma=1.5, bins=4)
    close(patch_statistics.histogram(features, patch_size=5, sigma=1.5, bins=4), expected)
    expected = oracle.moments(features, patch_size=5, sigma=1.5, powers=2)
    close(patch_statistics.moments(features, patch_size=5, sigma=1.5, powers=2), expected)


@pytest.mark.parametrize("name", ["fca", "sample_weighted_wasserstein"])
@pytest.mark.parametrize("kind", ["distinct", "half zeros", "few levels"])
class TestReferences:
    shape, patch_size = (2, 6, 7), 3

    def maps(self, name: str, features: NDArray[np.float32], references: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([getattr(oracle, name)(features, each, patch_size=self.patch_size) for each in references])

    def test_all_is_the_mean_of_the_maps_of_all_windows(self, name: str, kind: str) -> None:
        features = features_like(kind, *self.shape)
        maps = self.maps(name, features, oracle.whole_windows(features, self.patch_size))
        found = getattr(patch_statistics, name)(features, patch_size=self.patch_size, reference="all")
        close(found, maps.mean(axis=0))

    def test_knn_is_the_mean_of_the_smallest_scores(self, name: str, kind: str) -> None:
        features = features_like(kind, *self.shape)
        maps = self.maps(name, features, oracle.whole_windows(features, self.patch_size))
        for count in (1, 4, len(maps)):
            found = getattr(patch_statistics, name)(
                features, patch_size=self.patch_size, reference="knn", reference_count=count
            )
            close(found, oracle.nearest(maps, count))

    def test_knn_in_groups_of_references_gives_the_same(
        self, name: str, kind: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        features = features_like(kind, *self.shape)
        chosen = {"patch_size": self.patch_size, "reference": "knn", "reference_count": 4}
        expected = getattr(patch_statistics, name)(features, **chosen)
        monkeypatch.setattr(patch_statistics, "MAP_VALUES", 3 * self.shape[1] * self.shape[2])
        close(getattr(patch_statistics, name)(features, **chosen), expected.numpy())

    def test_random_is_the_mean_of_the_maps_of_some_windows(self, name: str, kind: str) -> None:
        features = features_like(kind, *self.shape)
        windows = oracle.whole_windows(features, self.patch_size)
        positions = random_positions(*self.shape[1:], self.patch_size, count=3, seed=5)
        drawn = positions @ [self.shape[2] - self.patch_size + 1, 1]
        assert len(set(drawn)) == 3
        found = getattr(patch_statistics, name)(
            features, patch_size=self.patch_size, reference="random", reference_count=3, seed=5
        )
        close(found, self.maps(name, features, windows[drawn]).mean(axis=0))


def test_groups_of_channels_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_like("half zeros", 5, 6, 7)
    expected = patch_statistics.fca(features, patch_size=3, reference="all")
    monkeypatch.setattr(patch_statistics, "REFERENCE_VALUES", 2 * 9 * 20)
    close(patch_statistics.fca(features, patch_size=3, reference="all"), expected.numpy())


def test_a_reference_count_that_cannot_be_had_is_named() -> None:
    for reference in ("random", "knn"):
        with pytest.raises(FirstsightError, match=r"reference_count is 10.*map's 9 windows"):
            patch_statistics.fca(torch.zeros(1, 5, 5), patch_size=3, reference=reference)
        with pytest.raises(FirstsightError, match="reference_count is 0"):
            patch_statistics.fca(torch.zeros(1, 5, 5), patch_size=3, reference=reference, reference_count=0)


@pytest.mark.parametrize("case", CASES)
class TestAuthorsNumbers:
    def load(self, shared: Path, case: str, name: str) -> tuple[NDArray[np.float32], int, NDArray[np.float32]]:
        golden = np.load(shared / "golden" / "patch_statistics.npz")
        return golden[f"{case}.features"], int(golden[f"{case}.tile"]), golden[f"{case}.{name}"]

    @pytest.mark.parametrize(("name", "sigma_s"), [("fca", 1.0), ("fca_nosmooth", None)])
    def test_fca(self, shared: Path, case: str, name: str, sigma_s: float | None) -> None:
        features, patch_size, expected = self.load(shared, case, name)
        found = patch_statistics.fca(features, patch_size=patch_size, sigma_s=sigma_s, border="paper").numpy()
        inner = (slice(patch_size - 1, 1 - patch_size),) * 2
        np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4)
        if name == "fca":
            np.testing.assert_allclose(found, expected, rtol=0.05)

    def test_sample_weighted_wasserstein(self, shared: Path, case: str) -> None:
        features, patch_size, expected = self.load(shared, case, "sww")
        found = patch_statistics.sample_weighted_wasserstein(features, patch_size=patch_size).numpy()
        inner = (slice(patch_size // 2, -(patch_size // 2)),) * 2
        np.testing.assert_allclose(found[inner], expected[inner], rtol=1e-4)

    @pytest.mark.parametrize("name", ["histogram", "moments"])
    def test_histogram_and_moments(self, shared: Path, case: str, name: str) -> None:
        features, patch_size, expected = self.load(shared, case, name)
        found = getattr(patch_statistics, name)(features, patch_size=patch_size).numpy()
        np.testing.assert_allclose(found, expected, rtol=1e-4)

    def test_median_reference(self, shared: Path, case: str) -> None:
        features, patch_size, expected = self.load(shared, case, "reference")
        np.testing.assert_array_equal(patch_statistics.median_reference(features, patch_size).numpy(), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_median_reference_equals_the_oracle(shape: tuple[int, int, int, int]) -> None:
    *sizes, patch_size = shape
    features = features_like("half zeros", *sizes)
    found = patch_statistics.median_reference(features, patch_size)
    np.testing.assert_array_equal(found.numpy(), oracle.median_reference(features, patch_size).astype(np.float32))


def test_the_median_reference_is_the_same_by_groups_of_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    features = features_like("half zeros", 5, 9, 9)
    expected = patch_statistics.median_reference(features, 3)
    monkeypatch.setattr(reference_windows, "TILE_VALUES", 2 * 81)
    assert torch.equal(patch_statistics.median_reference(features, 3), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_fca_turns_with_the_map(kind: str) -> None:
    # Turning visits equal cells in another order; the tiles of the reference turn with a map of whole tiles.
    features = features_like(kind, 3, 12, 9)
    found = patch_statistics.fca(features, patch_size=3).numpy()
    for turns in range(1, 4):
        turned = patch_statistics.fca(np.rot90(features, turns, (1, 2)).copy(), patch_size=3).numpy()
        np.testing.assert_allclose(turned, np.rot90(found, turns), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("function", FAMILY)
class TestInputs:
    def test_a_constant_map_has_no_anomalies(self, function: Callable[..., Any]) -> None:
        assert function(features_like("constant", 2, 9, 12), patch_size=5).abs().max() < 1e-7

    def test_arrays_other_types_and_other_layouts_give_the_same(self, function: Callable[..., Any]) -> None:
        features = features_like("distinct", 2, 9, 12)
        expected = function(torch.from_numpy(features), patch_size=3)
        assert torch.equal(function(features, patch_size=3), expected)
        assert torch.equal(function(features.astype(np.float64), patch_size=3), expected)
        strided = torch.from_numpy(features.transpose(2, 0, 1).copy()).permute(1, 2, 0)
        assert torch.equal(function(strided, patch_size=3), expected)

    @pytest.mark.parametrize("patch_size", [2, 0, -3])
    def test_a_patch_size_that_is_not_odd_and_positive_is_named(
        self, function: Callable[..., Any], patch_size: int
    ) -> None:
        with pytest.raises(FirstsightError, match=f"patch_size is {patch_size}"):
            function(torch.zeros(1, 5, 5), patch_size=patch_size)

    @pytest.mark.parametrize("shape", [(2, 4, 9), (2, 9, 4)])
    def test_a_window_larger_than_the_map_is_named(
        self, function: Callable[..., Any], shape: tuple[int, int, int]
    ) -> None:
        with pytest.raises(FirstsightError, match=f"patch_size is 5.*{shape[1]} x {shape[2]}"):
            function(torch.zeros(shape), patch_size=5)

    def test_values_that_are_not_finite_are_counted(self, function: Callable[..., Any]) -> None:
        features = torch.zeros(2, 9, 9)
        features[0, 1, 2:5] = torch.tensor([float("nan"), float("inf"), -float("inf")])
        with pytest.raises(FirstsightError, match="features hold 3 values"):
            function(features, patch_size=3)

    @pytest.mark.parametrize("shape", [(9, 9), (1, 2, 9, 9), (0, 9, 9)])
    def test_features_of_a_wrong_shape_are_named(self, function: Callable[..., Any], shape: tuple[int, ...]) -> None:
        with pytest.raises(FirstsightError, match="features have shape"):
            function(torch.zeros(shape), patch_size=3)


@pytest.mark.parametrize(
    ("function", "settings", "message"),
    [
        (patch_statistics.fca, {"border": "crop"}, "border is 'crop'"),
        (patch_statistics.fca, {"reference": "mean"}, "reference is 'mean'"),
        (patch_statistics.fca, {"sigma_p": -1.0}, "sigma is -1"),
        (patch_statistics.sample_weighted_wasserstein, {"sigma_w": 0.0}, "sigma is 0"),
        (patch_statistics.histogram, {"bins": 0}, "bins is 0"),
        (patch_statistics.moments, {"powers": 0}, "powers is 0"),
    ],
)
def test_wrong_settings_are_named(function: Callable[..., Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        function(torch.zeros(1, 5, 5), patch_size=3, **settings)


def test_fca_finds_what_is_wrong_in_gravel(tiles: Mapping[str, Tile]) -> None:
    maps = {image: patch_statistics.fca(tile.features["stage1"], patch_size=7) for image, tile in tiles.items()}
    assert auroc_of(tiles, maps, "stage1") > 0.95
