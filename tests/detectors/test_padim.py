"""PaDiM against a direct computation in float64, and against scikit-learn."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.covariance import EmpiricalCovariance

from firstsight.detectors import padim
from firstsight.detectors.padim import PadimSettings, detect_padim, fit_padim
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from firstsight.storage.geometry import Geometry
from oracles.normal_images import Layers, joined, padim_map, write_store
from real_textures import Tile, auroc_of, known_and_searched, write_tiles

STRIDES = {"fine": 4, "coarse": 8}


def features(seed: int, height: int = 5, width: int = 7) -> Layers:
    random = np.random.default_rng(seed)
    return {
        "fine": random.normal(2.0, 1.5, (5, height, width)),
        "coarse": random.normal(-1.0, 0.5, (4, -(-height // 2), -(-width // 2))),
    }


def fit(path: Path, images: dict[str, Layers], settings: PadimSettings) -> Mapping[str, Any]:
    store = write_store(path, images, STRIDES)
    return fit_padim([store], list(STRIDES), settings, folder=path, device="cpu", note=lambda line: None)


def detect(layers: Layers, settings: PadimSettings, model: Mapping[str, Any]) -> torch.Tensor:
    height, width = (4 * side for side in layers["fine"].shape[1:])
    places = {layer: Geometry(height, width, height, width, stride, 0.0) for layer, stride in STRIDES.items()}
    tensors = {layer: torch.from_numpy(values).float() for layer, values in layers.items()}
    return detect_padim(tensors, places, settings, model, "searched")


@pytest.mark.parametrize("positions", ["own", "shared"])
@pytest.mark.parametrize("count", [1, 2, 12])
def test_distances_are_those_of_a_direct_computation(tmp_path: Path, positions: Any, count: int) -> None:
    settings = PadimSettings(channels=6, positions=positions, sigma=0.0)
    known = {str(seed): features(seed) for seed in range(count)}
    model = fit(tmp_path / "a.zarr", known, settings)
    searched = features(99)
    found = detect(searched, settings, model)
    picked = model["picked"].numpy()
    assert len(picked) == 6
    expected = padim_map(
        [joined(each, STRIDES)[picked] for each in known.values()],
        joined(searched, STRIDES)[picked],
        shared=positions == "shared",
        regularisation=0.01,
    )
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, rtol=2e-3)


@pytest.mark.parametrize("positions", ["own", "shared"])
def test_distances_are_those_of_scikit_learn(tmp_path: Path, positions: Literal["own", "shared"]) -> None:
    settings = PadimSettings(channels=5, positions=positions, regularisation=0.3, sigma=0.0)
    known = [features(seed)["fine"] for seed in range(30)]
    images = {str(index): {"fine": values} for index, values in enumerate(known)}
    store = write_store(tmp_path / "a.zarr", images, {"fine": 4})
    model = fit_padim([store], ["fine"], settings, folder=tmp_path, device="cpu", note=lambda line: None)
    searched = features(99)["fine"]
    places = {"fine": Geometry(20, 28, 20, 28, 4, 0.0)}
    distances = detect_padim({"fine": torch.from_numpy(searched).float()}, places, settings, model, "searched").numpy()

    def expected(cells: NDArray[np.float64], looked_at: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, C) and (m, C): distances of the latter from the Gaussian of the former."""
        gaussian = EmpiricalCovariance(store_precision=False).fit(cells)
        # scikit-learn's is that of maximum likelihood, without Bessel's correction and without a ridge.
        gaussian.covariance_ = gaussian.covariance_ * len(cells) / (len(cells) - 1) + 0.3 * np.eye(5)
        return np.sqrt(gaussian.mahalanobis(looked_at))

    if positions == "shared":
        cells = np.concatenate([values.reshape(5, -1).T for values in known])
        np.testing.assert_allclose(distances.ravel(), expected(cells, searched.reshape(5, -1).T), rtol=1e-4)
        return
    for row, column in np.ndindex(distances.shape):
        cells = np.stack([values[:, row, column] for values in known])
        np.testing.assert_allclose(
            distances[row, column], expected(cells, searched[None, :, row, column])[0], rtol=1e-4
        )


def test_images_of_several_sizes_share_one_gaussian(tmp_path: Path) -> None:
    known = {"a": features(0), "b": features(1, 4, 9), "c": features(2, 1, 1)}
    settings = PadimSettings(channels=3, sigma=0.0)
    model = fit(tmp_path / "a.zarr", known, settings)
    assert len(model["mean"]) == 1
    assert "one Gaussian of all positions from 3 images" in model["says"]
    with pytest.raises(FirstsightError, match="positions is own, but the normal images have 3 sizes"):
        fit(tmp_path / "b.zarr", known, PadimSettings(positions="own"))


def test_auto_has_a_gaussian_a_position_where_there_are_enough_images(tmp_path: Path) -> None:
    known = {str(seed): features(seed, 3, 3) for seed in range(8)}
    few = fit(tmp_path / "a.zarr", known, PadimSettings(channels=5))
    enough = fit(tmp_path / "b.zarr", known, PadimSettings(channels=4))
    assert (len(few["mean"]), len(enough["mean"])) == (1, 9)


def test_own_positions_too_many_for_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(padim, "LARGEST_MODEL", 9 * 16 - 1)
    known = {str(seed): features(seed, 3, 3) for seed in range(8)}
    assert len(fit(tmp_path / "a.zarr", known, PadimSettings(channels=4))["mean"]) == 1
    with pytest.raises(FirstsightError, match=r"3 x 3 covariances of 4 channels are too large a model"):
        fit(tmp_path / "b.zarr", known, PadimSettings(channels=4, positions="own"))


def test_another_grid_has_the_gaussians_of_the_same_places_in_the_frame(tmp_path: Path) -> None:
    settings = PadimSettings(channels=4, positions="own", sigma=0.0)
    known = {str(seed): {"fine": features(seed, 2, 2)["fine"], "coarse": np.ones((4, 1, 1))} for seed in range(5)}
    model = fit(tmp_path / "a.zarr", known, settings)
    small = features(9, 2, 2) | {"coarse": np.ones((4, 1, 1))}
    large = {"fine": small["fine"].repeat(3, axis=1).repeat(2, axis=2), "coarse": np.ones((4, 3, 2))}
    expected = detect(small, settings, model).repeat_interleave(3, dim=0).repeat_interleave(2, dim=1)
    torch.testing.assert_close(detect(large, settings, model), expected)


@pytest.mark.parametrize("positions", ["own", "shared"])
def test_constant_and_equal_images_have_finite_maps(tmp_path: Path, positions: Any) -> None:
    settings = PadimSettings(positions=positions)
    constant = {"fine": np.full((5, 4, 4), 300.0), "coarse": np.zeros((4, 2, 2))}
    model = fit(tmp_path / "a.zarr", {"a": constant, "b": constant}, settings)
    assert detect(constant, settings, model).abs().max() == 0
    assert torch.isfinite(detect(features(0, 4, 4), settings, model)).all()
    equal = fit(tmp_path / "b.zarr", {"a": features(0), "b": features(0)}, settings)
    assert torch.isfinite(detect(features(1), settings, equal)).all()


def test_the_map_does_not_depend_on_how_images_are_cut_into_shards(tmp_path: Path) -> None:
    settings = PadimSettings(channels=5)
    known = {str(seed): features(seed) for seed in range(4)}
    whole = fit(tmp_path / "a.zarr", known, settings)
    parts = [write_store(tmp_path / f"{name}.zarr", {name: each}, STRIDES) for name, each in known.items()]
    cut = fit_padim(parts, list(STRIDES), settings, folder=tmp_path, device="cpu", note=lambda line: None)
    torch.testing.assert_close(cut["factor"], whole["factor"], rtol=0, atol=0)


def test_smoothing_keeps_the_range(tmp_path: Path) -> None:
    rough = PadimSettings(sigma=0.0)
    model = fit(tmp_path / "a.zarr", {str(seed): features(seed) for seed in range(3)}, rough)
    before, after = detect(features(9), rough, model), detect(features(9), PadimSettings(sigma=8.0), model)
    assert before.min() <= after.min() <= after.max() < before.max()


@pytest.mark.parametrize(
    ("given", "message"),
    [({"channels": 0}, "channels: 0"), ({"regularisation": 0.0}, "regularisation: 0"), ({"sigma": -1.0}, "sigma")],
)
def test_senseless_settings_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        read_settings(PadimSettings, given, ("detectors", "padim"))


def test_no_usable_image_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="none of the images to learn from can be used"):
        fit(tmp_path / "a.zarr", {"broken": {}}, PadimSettings())


def test_what_good_gravel_does_not_have_is_found(tiles: Mapping[str, Tile], tmp_path: Path) -> None:
    layers, settings = ("stage1", "stage2"), PadimSettings()
    known, searched = known_and_searched(tiles)
    store = write_tiles(tmp_path / "known.zarr", known, layers)
    model = fit_padim([store], layers, settings, folder=tmp_path, device="cpu", note=lambda line: None)
    maps = {image: detect_padim(*tile.of(layers), settings, model, image) for image, tile in searched.items()}
    assert auroc_of(tiles, maps, layers[0]) > 0.78
