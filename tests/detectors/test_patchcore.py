"""PatchCore against brute force, and against scikit-learn and SciPy."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter
from sklearn.neighbors import NearestNeighbors

from firstsight.detectors import patchcore
from firstsight.detectors.normal_images import (
    DrawnCells,
    aware_cells,
    draw_cells,
    read_normal_images,
)
from firstsight.detectors.patchcore import (
    PatchcoreSettings,
    detect_patchcore,
    fit_patchcore,
    greedy_coreset,
    nearest_distance,
)
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import stored_images
from oracles.normal_images import Layers, greedy_centres, joined, mean_of_neighbours, write_store
from real_textures import Tile, auroc_of, known_and_searched, write_tiles

STRIDES = {"fine": 8, "coarse": 16}


def features(seed: int, height: int = 5, width: int = 7) -> Layers:
    random = np.random.default_rng(seed)
    return {
        "fine": random.normal(size=(3, height, width)),
        "coarse": random.normal(size=(4, -(-height // 2), -(-width // 2))),
    }


def placed(layers: Layers) -> tuple[dict[str, torch.Tensor], dict[str, Geometry]]:
    height, width = (8 * side for side in layers["fine"].shape[1:])
    places = {layer: Geometry(height, width, height, width, stride, 0.0) for layer, stride in STRIDES.items()}
    return {layer: torch.from_numpy(values).float() for layer, values in layers.items()}, places


def fit(path: Path, images: dict[str, Layers], settings: PatchcoreSettings) -> Mapping[str, Any]:
    store = write_store(path, images, STRIDES)
    return fit_patchcore([store], list(STRIDES), settings, folder=path, device="cpu", note=lambda line: None)


def detect(layers: Layers, settings: PatchcoreSettings, model: Mapping[str, Any], image: str = "x") -> torch.Tensor:
    return detect_patchcore(*placed(layers), settings, model, image)


def cells_of(layers: Layers) -> np.ndarray:
    pooled = {layer: mean_of_neighbours(values) for layer, values in layers.items()}
    return joined(pooled, STRIDES)


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (1, 6), (3, 2)])
def test_cells_are_means_of_their_neighbours_joined(size: tuple[int, int]) -> None:
    layers = features(0, *size)
    np.testing.assert_allclose(aware_cells(*placed(layers)).numpy(), cells_of(layers), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_coreset_is_greedy(seed: int) -> None:
    cells = torch.randn(60, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    found = greedy_coreset(cells, 12, projection=5, seed=seed).tolist()
    assert found == greedy_centres(cells.numpy(), found[0], 12)


def test_a_projected_coreset_covers_nearly_as_well() -> None:
    cells = torch.randn(400, 96, generator=torch.Generator().manual_seed(0))
    cells[::7] *= 4

    def radius(chosen: torch.Tensor) -> float:
        return float(nearest_distance(cells, cells[chosen]).max())

    exact = radius(greedy_coreset(cells, 80, projection=96, seed=0))
    assert radius(greedy_coreset(cells, 80, projection=64, seed=0)) < 1.25 * exact
    assert radius(torch.arange(80)) > 1.25 * exact


def test_equal_cells_are_chosen_once() -> None:
    cells = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)).repeat(5, 1)
    assert sorted(index % 6 for index in greedy_coreset(cells, 30, projection=3, seed=1).tolist()) == list(range(6))


def test_the_nearest_of_blocks_is_the_nearest_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    cells, bank = (torch.randn(size, 4, generator=torch.Generator().manual_seed(size)) for size in (50, 30))
    cells[3] = bank[7]
    expected = [min(float(np.linalg.norm(cell - other)) for other in bank.numpy()) for cell in cells.numpy()]
    monkeypatch.setattr(patchcore, "_BLOCK_VALUES", 7 * len(bank))
    found = nearest_distance(cells, bank)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert found[3] == 0


def test_the_map_is_the_distance_to_what_is_remembered(tmp_path: Path) -> None:
    settings = PatchcoreSettings(coreset_share=1.0, sigma=0.0)
    known = {"a": features(0), "b": features(1, 4, 3)}
    model = fit(tmp_path / "a.zarr", known, settings)
    assert len(model["cells"]) == 5 * 7 + 4 * 3
    bank = np.concatenate([cells_of(each).reshape(7, -1).T for each in known.values()])
    searched = features(5, 3, 6)
    expected = np.linalg.norm(cells_of(searched).reshape(7, -1).T[:, None] - bank, axis=2).min(axis=1)
    np.testing.assert_allclose(detect(searched, settings, model).numpy().ravel(), expected, rtol=1e-4)


def test_nearest_distances_are_those_of_scikit_learn() -> None:
    cells, bank = (torch.randn(size, 20, generator=torch.Generator().manual_seed(size)) for size in (400, 150))
    # A tree measures differences of coordinates; its brute force expands the square.
    search = NearestNeighbors(n_neighbors=1, algorithm="kd_tree").fit(bank.double().numpy())
    expected = search.kneighbors(cells.double().numpy())[0][:, 0]
    np.testing.assert_allclose(nearest_distance(cells, bank).numpy(), expected, rtol=1e-5)


def test_the_map_is_that_of_scikit_learn_and_scipy(tmp_path: Path) -> None:
    settings = PatchcoreSettings(coreset_share=1.0, sigma=0.0)
    known = {"a": {"fine": features(0)["fine"]}, "b": {"fine": features(1, 4, 3)["fine"]}}
    store = write_store(tmp_path / "a.zarr", known, {"fine": 8})
    model = fit_patchcore([store], ["fine"], settings, folder=tmp_path, device="cpu", note=lambda line: None)
    searched = features(5, 3, 6)["fine"]
    places = {"fine": Geometry(24, 48, 24, 48, 8, 0.0)}
    distances = detect_patchcore({"fine": torch.from_numpy(searched).float()}, places, settings, model, "x")

    def aware(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(C, h, w) to means over 3 x 3 cells on the image, (h * w, C)."""
        sums, counts = (
            uniform_filter(each, size=(1, 3, 3), mode="constant") for each in (values, np.ones_like(values))
        )
        return np.asarray(sums / counts).reshape(len(values), -1).T

    bank = np.concatenate([aware(layers["fine"]) for layers in known.values()])
    expected = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(aware(searched))[0]
    np.testing.assert_allclose(distances.numpy().ravel(), expected[:, 0], rtol=1e-4)


def test_an_image_that_was_learned_from_is_not_compared_with_itself(tmp_path: Path) -> None:
    settings = PatchcoreSettings(coreset_share=1.0, sigma=0.0)
    both = fit(tmp_path / "a.zarr", {"a": features(0), "b": features(1)}, settings)
    other = fit(tmp_path / "b.zarr", {"b": features(1)}, settings)
    torch.testing.assert_close(detect(features(0), settings, both, "a"), detect(features(0), settings, other))
    assert detect(features(0), settings, both).abs().max() < 1e-5
    assert detect(features(1), settings, other, "b").abs().max() == 0


def test_drawing_in_a_stream_is_drawing_from_all(tmp_path: Path) -> None:
    known = {str(seed): features(seed, 6, 6) for seed in range(7)}
    stored = stored_images([write_store(tmp_path / "a.zarr", known, STRIDES)])

    def draw(count: int) -> DrawnCells:
        images = read_normal_images(stored, list(STRIDES), "cpu")
        return draw_cells(images, count, 3, lambda each: aware_cells(each.features, each.places))

    every, some = draw(1000), draw(50)
    assert (len(every.cells), every.seen, some.seen) == (252, 252, 252)
    expected = np.concatenate([cells_of(known[image]).reshape(7, -1).T for image in every.images])
    np.testing.assert_allclose(every.cells.numpy(), expected, rtol=1e-4, atol=1e-5)
    numbers = torch.rand(252, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    chosen = numbers.argsort()[:50].sort().values
    torch.testing.assert_close(some.cells, every.cells[chosen])
    torch.testing.assert_close(some.owners, every.owners[chosen])


def test_constant_and_equal_images_have_finite_maps(tmp_path: Path) -> None:
    settings = PatchcoreSettings()
    constant = {"fine": np.full((3, 4, 4), 300.0), "coarse": np.zeros((4, 2, 2))}
    model = fit(tmp_path / "a.zarr", {"a": constant, "b": constant}, settings)
    assert len(model["cells"]) == 1
    assert torch.isfinite(detect(features(0), settings, model)).all()
    equal = fit(tmp_path / "b.zarr", {"a": features(0), "b": features(0)}, PatchcoreSettings(coreset_share=1.0))
    assert len(equal["cells"]) == 35


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"candidates": 0}, "candidates: 0"),
        ({"projection": 0}, "projection: 0"),
        ({"coreset_share": 0.0}, "coreset_share: 0"),
        ({"coreset_share": 1.5}, "coreset_share: 1.5"),
        ({"sigma": -1.0}, "sigma: -1"),
    ],
)
def test_senseless_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(PatchcoreSettings, given, ("detectors", "patchcore"))


def test_what_good_gravel_does_not_have_is_found(tiles: Mapping[str, Tile], tmp_path: Path) -> None:
    layers, settings = ("stage2", "stage3"), PatchcoreSettings(candidates=2000)
    known, searched = known_and_searched(tiles)
    store = write_tiles(tmp_path / "known.zarr", known, layers)
    model = fit_patchcore([store], layers, settings, folder=tmp_path, device="cpu", note=lambda line: None)
    maps = {image: detect_patchcore(*tile.of(layers), settings, model, image) for image, tile in searched.items()}
    assert auroc_of(tiles, maps, layers[0]) > 0.92
