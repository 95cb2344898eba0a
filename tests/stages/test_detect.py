"""Stage detect: threads read ahead, and the maps are those of one image after the other."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import firstsight.stages.detect as stage
from firstsight.detectors.registry import DETECTORS
from firstsight.errors import DamagedError
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.detect import Entry, ShardFeatures, detect_anomalies
from firstsight.stages.features import extract_features
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.storage.store import ShardReader, ShardWriter
from firstsight.storage.stored_maps import stored_maps
from scales import write_scale

COUNT = 7


def new_job() -> Job:
    return Job("detect", "pile", "s", "it", io.StringIO())


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Manifest and features of images of which one is no image (2) and one too small for a map (4)."""
    folder = tmp_path_factory.mktemp("shard")
    files = []
    for number in range(COUNT):
        path = folder / f"{number}.png"
        side = 8 if number == 4 else 60 + number
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (side, 70)).astype(np.uint8)).save(path)
        if number == 2:
            path.write_text("no image")
        files.append({"image": path.name, "path": str(path), "missing": None, "problem": None})
    outputs: dict[str, Any] = {"output": folder / "images.parquet", "members": folder / "m.json"}
    make_manifest(files=files, collection="pile", shard="s", **outputs, job=new_job())
    extract_features(
        manifest=folder / "images.parquet",
        scale=write_scale(folder),
        output=folder / "features.zarr",
        settings=FeatureSettings(
            extractor="laws", weights=None, image_size=None, dtype="float32", device="cpu"
        ).model_dump(),
        layers=["energy"],
        threads=1,
        job=new_job(),
    )
    return folder


def detect(shard: Path, output: Path, method: str = "fca", threads: int = 1) -> Job:
    job = new_job()
    detect_anomalies(
        source=shard / ("images.parquet" if DETECTORS[method].reads_image else "features.zarr"),
        model=None,
        output=output,
        method=method,
        settings=DETECTORS[method].settings().model_dump(),
        layers=["energy"],
        device="cpu",
        threads=threads,
        job=job,
    )
    return job


def content(maps: Path) -> list[tuple[str, str, bytes]]:
    return [
        (stored.image, stored.status, stored.cells().tobytes() if stored.status == "ok" else b"")
        for stored in stored_maps([maps])
    ]


@pytest.mark.parametrize("method", ["fca", "spectral_residual"])
def test_order_statuses_and_maps_do_not_depend_on_threads(method: str, shard: Path, tmp_path: Path) -> None:
    job = detect(shard, tmp_path / "one.zarr", method)
    assert job.n_images == COUNT
    assert set(job.seconds) == {"read", "detect", "write"}
    detect(shard, tmp_path / "three.zarr", method, threads=3)
    found = content(tmp_path / "one.zarr")
    assert [image for image, _, _ in found] == [f"{number}.png" for number in range(COUNT)]
    good = [status == "ok" for _, status, _ in found]
    assert good == [number != 2 and (number != 4 or method == "spectral_residual") for number in range(COUNT)]
    assert content(tmp_path / "three.zarr") == found


def note_what_is_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the entries whose features are read from now on."""
    keys: list[str] = []
    original = ShardFeatures.read

    def noted(self: ShardFeatures, entry: Entry) -> object:
        keys.append(entry.key)
        return original(self, entry)

    monkeypatch.setattr(ShardFeatures, "read", noted)
    return keys


@pytest.mark.parametrize("cut", [0, 3, 6])
def test_a_job_cut_off_goes_on_where_it_was(
    cut: int, shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detect(shard, tmp_path / "whole.zarr")
    with monkeypatch.context() as context:
        context.setattr(ShardWriter, "add", killed_at(f"{cut:05d}"))
        with pytest.raises(KeyboardInterrupt):
            detect(shard, tmp_path / "cut.zarr")
    read = note_what_is_read(monkeypatch)
    detect(shard, tmp_path / "cut.zarr")
    assert sorted(read) == [f"{number:05d}" for number in range(cut, COUNT) if number != 2]
    assert content(tmp_path / "cut.zarr") == content(tmp_path / "whole.zarr")


def killed_at(last: str) -> Callable[..., None]:
    add = ShardWriter.add

    def adding(self: ShardWriter, key: str, *rest: object) -> None:
        if key == last:
            raise KeyboardInterrupt
        add(self, key, *rest)  # type: ignore[arg-type]

    return adding


def test_features_that_are_damaged_end_the_job_in_their_turn(
    shard: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Damaged(ShardReader):
        def read(self, key: str, name: str) -> np.ndarray:
            if key == "00003":
                raise DamagedError("'features.zarr' is damaged at '00003'", self.path)
            return super().read(key, name)

    with monkeypatch.context() as context:
        context.setattr(stage, "ShardReader", Damaged)
        with pytest.raises(DamagedError):
            detect(shard, tmp_path / "maps.zarr", threads=3)
    assert not (tmp_path / "maps.zarr").exists()
    read = note_what_is_read(monkeypatch)
    detect(shard, tmp_path / "maps.zarr")
    assert sorted(read)[0] == "00003", "the maps before it are kept"
