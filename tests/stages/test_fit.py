"""Stages fit and detect: a detector learns from a collection, or reads the images themselves."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from firstsight.collections.images import read_image
from firstsight.detectors import spectral_residual
from firstsight.detectors.blind.localization import detect_blind
from firstsight.detectors.blind.settings import BlindSettings
from firstsight.detectors.registry import DETECTORS, IMAGE
from firstsight.errors import DamagedError
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.detect import detect_anomalies
from firstsight.stages.features import extract_features
from firstsight.stages.fit import fit_detector, read_model
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardReader, take_back
from firstsight.storage.stored_maps import stored_maps
from scales import write_scale

LAWS = FeatureSettings(extractor="laws", weights=None, image_size="auto", dtype="float32", device="cpu")
SETTINGS = BlindSettings(
    epochs=1, cells_per_epoch=256, bank_images=3, bank_cells=4, sampled_images=3, correspondence="residuals"
)


def prepare(files: list[Path], folder: Path, job: Job, name: str = "features") -> Path:
    """The manifest and the store of features of a shard, which is returned."""
    rows = [{"image": file.name, "path": str(file), "missing": None, "problem": None} for file in files]
    outputs: dict[str, Any] = {"output": folder / f"{name}.parquet", "members": folder / f"{name}.json"}
    make_manifest(files=rows, collection="pile", shard="s", **outputs, job=job)
    extract_features(
        manifest=outputs["output"],
        scale=write_scale(folder),
        output=folder / f"{name}.zarr",
        settings=LAWS.model_dump(),
        layers=["energy"],
        threads=1,
        job=job,
    )
    return folder / f"{name}.zarr"


@pytest.fixture
def prepared(pile: Path, tmp_path: Path, job: Job) -> Path:
    """A shard of manifest and features: five images, and one that is no image."""
    prepare([pile / f"{number}.png" for number in range(6)], tmp_path, job)
    return tmp_path


@pytest.fixture
def detect(job: Job) -> Callable[..., None]:
    def run(method: str, settings: Any, **files: Any) -> None:
        detect_anomalies(
            method=method, settings=settings.model_dump(), layers=["energy"], device="cpu", threads=1, job=job, **files
        )

    return run


def fit(
    folder: Path, model: str, settings: Any, job: Job, *, method: str = "blind", features: tuple[Path, ...] = ()
) -> Path:
    fit_detector(
        features=features or [folder / "features.zarr"],
        output=folder / model,
        summary=folder / "model.json",
        checkpoints=folder / "fitting",
        method=method,
        settings=settings.model_dump(),
        layers=["energy"],
        device="cpu",
        threads=1,
        job=job,
    )
    return folder / model


def test_what_is_fitted_makes_the_maps(prepared: Path, detect: Callable[..., None], job: Job) -> None:
    path = fit(prepared, "model.pt", SETTINGS, job)
    assert job.n_images == 5
    assert not (prepared / "fitting").exists()
    assert json.loads((prepared / "model.json").read_text()) == {"says": "learned from 5 images"}
    detect("blind", SETTINGS, source=prepared / "features.zarr", model=path, output=prepared / "maps.zarr")
    maps = stored_maps([prepared / "maps.zarr"])
    assert [stored.status == "ok" for stored in maps] == [True] * 5 + [False]
    reader, (model, _) = ShardReader(prepared / "features.zarr"), read_model(path)
    values = {"energy": torch.from_numpy(reader.read(maps[2].key, "energy"))}
    places = {"energy": Geometry(**reader.attributes(maps[2].key)["geometry"]["energy"])}
    expected = detect_blind(values, places, SETTINGS, model, maps[2].image)
    np.testing.assert_array_equal(maps[2].cells(), expected.numpy())


def test_maps_of_another_fit_are_not_kept(prepared: Path, detect: Callable[..., None], job: Job) -> None:
    """A job that was cut off under one model goes on under another: all its maps are of the second."""
    files = {"source": prepared / "features.zarr", "output": prepared / "maps.zarr"}
    first = fit(prepared, "first.pt", SETTINGS, job)
    second = fit(prepared, "second.pt", BlindSettings(**{**SETTINGS.model_dump(), "seed": 5}), job)
    detect("blind", SETTINGS, model=first, **files)
    before = [stored.cells() for stored in stored_maps([files["output"]]) if stored.status == "ok"]
    take_back(files["output"])
    detect("blind", SETTINGS, model=second, **files)
    after = [stored.cells() for stored in stored_maps([files["output"]]) if stored.status == "ok"]
    assert not any(np.array_equal(old, new) for old, new in zip(before, after, strict=True))


def test_a_damaged_model_is_not_trusted(prepared: Path, job: Job) -> None:
    path = fit(prepared, "model.pt", SETTINGS, job)
    content = path.read_bytes()
    middle = len(content) // 2
    for damaged in (content[:1000], content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]):
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"model.pt' is damaged") as caught:
            read_model(path)
        assert caught.value.path == path


def test_a_detector_of_images_reads_their_files(prepared: Path, detect: Callable[..., None], job: Job) -> None:
    settings = spectral_residual.SpectralResidualSettings()
    files = {"source": prepared / "features.parquet", "model": None, "output": prepared / "maps.zarr"}
    detect("spectral_residual", settings, **files)
    maps = stored_maps([prepared / "maps.zarr"])
    assert [stored.image for stored in maps] == [f"{number}.png" for number in range(6)]
    assert maps[5].status != "ok"
    image = torch.from_numpy(read_image(prepared / "pile/1.png")).permute(2, 0, 1)
    places = {IMAGE: Geometry(128, 160, 128, 160, 1, 0.0)}
    expected = spectral_residual.detect({IMAGE: image}, places, settings)
    np.testing.assert_array_equal(maps[1].cells(), expected.numpy())
    assert maps[1].pixels().shape == Image.open(prepared / "pile/1.png").size[::-1]


FEW_STEPS: dict[str, dict[str, Any]] = {
    "blind": {"epochs": 2, "cells_per_epoch": 256, "bank_images": 3, "bank_cells": 4, "correspondence": "residuals"},
    "cfa": {"epochs": 1},
}
"""What spares a detector that trains most of its time."""


@pytest.mark.parametrize("method", [name for name, detector in DETECTORS.items() if detector.learns])
def test_what_is_learned_hangs_on_what_the_images_hold(
    method: str, pile: Path, tmp_path: Path, detect: Callable[..., None], job: Job
) -> None:
    """Not on how they are cut into shards, on the order of these, or on names: maps are equal to the bit."""
    settings = DETECTORS[method].settings(**FEW_STEPS.get(method, {}))

    def maps(name: str, *shards: list[Path]) -> dict[bytes, Any]:
        folder = tmp_path / name
        folder.mkdir()
        stores = tuple(prepare(files, folder, job, f"{number}") for number, files in enumerate(shards))
        model = fit(folder, "model.pt", settings, job, method=method, features=stores)
        for store in stores:
            detect(method, settings, source=store, model=model, output=store.with_suffix(".maps"))
        found = stored_maps([store.with_suffix(".maps") for store in stores])
        by_name = {file.name: file.read_bytes() for files in shards for file in files}
        return {by_name[entry.image]: entry.cells() for entry in found}

    images = [pile / f"{number}.png" for number in range(5)]
    expected = maps("one", images)
    assert len(expected) == 5
    renamed = [pile / f"{letter}.png" for letter in "vwxyz"]
    for image, other in zip(images, renamed[::-1], strict=True):
        shutil.copy(image, other)
    for again in (maps("several", images[3:], images[:2], images[2:3]), maps("renamed", renamed)):
        assert again.keys() == expected.keys()
        for content, cells in expected.items():
            np.testing.assert_array_equal(again[content], cells)
