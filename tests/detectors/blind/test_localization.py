"""Blind localization of a small collection: it finds what is rare, whatever the collection is like."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from firstsight.detectors.blind.localization import NEIGHBOUR_POWER, detect_blind, fit_blind
from firstsight.detectors.blind.settings import BlindSettings
from firstsight.detectors.patch_settings import FcaSettings
from firstsight.detectors.per_layer import detect_fca
from firstsight.errors import FirstsightError
from firstsight.settings_model import read_settings
from firstsight.storage.geometry import Geometry
from real_textures import Tile, auroc_of, write_tiles

LAYERS = ("fine", "coarse")
PLACES = {"fine": Geometry(160, 160, 160, 160, 8, 0.0), "coarse": Geometry(160, 160, 160, 160, 16, 0.0)}
SHORT: dict[str, Any] = {"epochs": 2, "cells_per_epoch": 512, "bank_images": 6, "bank_cells": 64, "sampled_images": 6}
ODD = "2.png"


pytestmark = pytest.mark.usefixtures("one_thread")


def texture(number: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(number)
    fine = gaussian_filter(generator.normal(size=(6, 20, 20)), (0, 1, 1)).astype(np.float32) + 1
    return {"fine": fine, "coarse": fine[:4, ::2, ::2].copy()}


def collection(count: int) -> dict[str, dict[str, np.ndarray]]:
    """Textures of one kind; one of them has a patch of another."""
    images = {f"{number}.png": texture(number) for number in range(count)}
    if ODD in images:
        images[ODD]["fine"][:, 12:15, 4:7] = np.array([3, -1, 2, 0, 3, -1], np.float32)[:, None, None]
        images[ODD]["coarse"] = images[ODD]["fine"][:4, ::2, ::2].copy()
    return images


def tensors(layers: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {layer: torch.from_numpy(values) for layer, values in layers.items()}


def fit(shards: list[Path], folder: Path, settings: BlindSettings, log: io.StringIO | None = None) -> Mapping[str, Any]:
    written = log or io.StringIO()
    found = fit_blind(
        shards, LAYERS, settings, folder=folder, device="cpu", note=lambda line: print(line, file=written)
    )
    # What a job hands to the next goes through a file that holds tensors, numbers and text only.
    buffer = io.BytesIO()
    torch.save(found, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


@pytest.mark.parametrize("correspondence", ["features", "residuals", "pooled", "none"])
def test_the_rare_patch_is_where_the_map_is_highest(
    correspondence: Literal["features", "residuals", "pooled", "none"],
    write_store: Callable[..., Any],
    tmp_path: Path,
) -> None:
    images = collection(7)
    halves = dict(list(images.items())[:4]), dict(list(images.items())[4:])
    shards = [write_store("a", halves[0]), write_store("b", {**halves[1], "x.png": None})]
    settings = BlindSettings(correspondence=correspondence, **SHORT)
    model = fit(shards, tmp_path / "checkpoints", settings)
    maps = {
        name: detect_blind(tensors(layers), PLACES, settings, model, name).numpy() for name, layers in images.items()
    }
    assert all(found.shape == (20, 20) and found.dtype == np.float32 for found in maps.values())
    assert max(maps, key=lambda name: maps[name].max()) == ODD
    row, column = np.unravel_index(maps[ODD].argmax(), (20, 20))
    assert 11 <= row <= 15
    assert 3 <= column <= 7
    again = fit(shards, tmp_path / "other", settings)
    assert np.array_equal(detect_blind(tensors(images[ODD]), PLACES, settings, again, ODD).numpy(), maps[ODD])


def test_only_what_is_asked_for_is_learned(write_store: Callable[..., Any], tmp_path: Path) -> None:
    shards = [write_store("a", collection(7))]
    cases: tuple[tuple[dict[str, Any], set[str]], ...] = (
        ({}, {"bank"}),
        ({"neighbours": False}, set()),
        ({"correspondence": "residuals"}, {"bank", "autoencoder"}),
        ({"correspondence": "pooled", "neighbours": False}, {"reference", "patch_size"}),
    )
    for asked, kept in cases:
        model = fit(shards, tmp_path / "-".join(kept), BlindSettings(**SHORT, **asked))
        assert {layer: set(learned) for layer, learned in model["layers"].items()} == dict.fromkeys(LAYERS, kept)


def test_fca_is_multiplied_by_a_power_of_neighbours(write_store: Callable[..., Any], tmp_path: Path) -> None:
    images = collection(7)
    shards = [write_store("a", images)]
    values = tensors(images[ODD])
    maps = {}
    asked_for: dict[str, dict[str, Any]] = {
        "both": {},
        "fca": {"neighbours": False},
        "neighbours": {"correspondence": "none"},
    }
    for name, asked in asked_for.items():
        settings = BlindSettings(**SHORT, **asked)
        maps[name] = detect_blind(values, PLACES, settings, fit(shards, tmp_path / name, settings), ODD)
    assert torch.equal(maps["fca"], detect_fca(values, PLACES, FcaSettings()))
    torch.testing.assert_close(maps["both"], maps["fca"] * maps["neighbours"] ** NEIGHBOUR_POWER)


def test_distances_are_plain_without_local_density(write_store: Callable[..., Any], tmp_path: Path) -> None:
    settings = BlindSettings(**SHORT, local_density=False, layers=("fine",))
    model = fit([write_store("a", collection(7))], tmp_path, settings)
    assert all(torch.equal(learned["bank"]["local"], torch.ones(6, 64)) for learned in model["layers"].values())


def test_fewer_than_five_images_are_searched_by_themselves_and_the_log_says_so(
    write_store: Callable[..., Any], tmp_path: Path
) -> None:
    images, log = collection(4), io.StringIO()
    settings = BlindSettings(**SHORT)
    model = fit([write_store("a", images)], tmp_path, settings, log)
    assert "4 images are too few" in log.getvalue()
    values = torch.from_numpy(images[ODD]["fine"])
    found = detect_blind({"fine": values}, PLACES, settings, model, ODD)
    assert torch.equal(found, detect_fca({"fine": values}, PLACES, FcaSettings()))


def test_copies_of_one_image_give_one_finite_map(write_store: Callable[..., Any], tmp_path: Path) -> None:
    images = {f"{number}.png": texture(0) for number in range(6)}
    settings = BlindSettings(**SHORT)
    model = fit([write_store("a", images)], tmp_path, settings)
    maps = [detect_blind(tensors(layers), PLACES, settings, model, name) for name, layers in images.items()]
    assert torch.isfinite(torch.stack(maps)).all()
    assert all(found.max() > 0 for found in maps)


def test_constant_images_give_maps_without_anomalies(write_store: Callable[..., Any], tmp_path: Path) -> None:
    flat = {"fine": np.full((3, 8, 8), 2, np.float32), "coarse": np.zeros((2, 4, 4), np.float32)}
    settings = BlindSettings(**SHORT)
    model = fit([write_store("a", {f"{number}.png": flat for number in range(6)})], tmp_path, settings)
    found = detect_blind(tensors(flat), PLACES, settings, model, "0.png")
    torch.testing.assert_close(found, torch.zeros(8, 8), atol=1e-3, rtol=0)


def test_an_image_smaller_than_a_patch_does_not_cost_the_others(
    write_store: Callable[..., Any], tmp_path: Path
) -> None:
    images = collection(6) | {
        "tiny.png": {"fine": np.ones((6, 2, 2), np.float32), "coarse": np.ones((4, 1, 1), np.float32)}
    }
    settings = BlindSettings(**SHORT)
    model = fit([write_store("a", images)], tmp_path, settings)
    assert torch.isfinite(detect_blind(tensors(images[ODD]), PLACES, settings, model, ODD)).all()
    with pytest.raises(FirstsightError):
        detect_blind(tensors(images["tiny.png"]), PLACES, settings, model, "tiny.png")


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"patch_size": 4}, "patch_size: 4"),
        ({"correspondence": "none", "neighbours": False}, "leave nothing to look at"),
        ({"bank_cells": 0}, "bank_cells: 0"),
        ({"neighbour_share": 1.5}, "neighbour_share: 1.5"),
        ({"epochs": 0}, "epochs: 0"),
        ({"learning_rate": float("nan")}, "learning_rate: nan"),
    ],
)
def test_settings_that_make_no_sense_are_named(wrong: dict[str, Any], line: str) -> None:
    with pytest.raises(FirstsightError, match=line):
        read_settings(BlindSettings, wrong, ("detectors", "blind"))


def test_what_is_rare_in_gravel_is_found(tiles: Mapping[str, Tile], tmp_path: Path) -> None:
    layers, settings = ("stage2", "stage3"), BlindSettings(**{**SHORT, "cells_per_epoch": 2048})
    store = write_tiles(tmp_path / "pile.zarr", tiles, layers)
    model = fit_blind([store], layers, settings, folder=tmp_path, device="cpu", note=lambda line: None)
    maps = {image: detect_blind(*tile.of(layers), settings, model, image) for image, tile in tiles.items()}
    assert auroc_of(tiles, maps, layers[0]) > 0.93
