"""Stage costs: what is timed, and how."""

import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from firstsight.detectors.registry import DETECTORS
from firstsight.errors import FirstsightError
from firstsight.plan.costs import TimedDetector
from firstsight.plan.settings import FeatureSettings
from firstsight.stages import costs as stage
from firstsight.stages.costs import measure_costs, seconds_of
from firstsight.stages.features import extract_features
from firstsight.stages.fit import fit_detector
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from scales import write_scale

LAYERS = ("energy",)


def new_job() -> Job:
    return Job("costs", "pile", "s", "", io.StringIO())


def shard_of(folder: Path, files: list[dict[str, str | None]]) -> tuple[Path, Path, dict[str, Any]]:
    """Its images' rows, their features, and the settings of these."""
    manifest, features, job = folder / "images.parquet", folder / "features.zarr", new_job()
    make_manifest(files=files, collection="pile", shard="s", output=manifest, members=folder / "m.json", job=job)
    laws = FeatureSettings(extractor="laws", weights=None, image_size=48, dtype="float32", device="cpu")
    settings, scale = laws.model_dump(), write_scale(folder)
    extract_features(
        manifest=manifest, scale=scale, output=features, settings=settings, layers=LAYERS, threads=1, job=job
    )
    return manifest, features, settings


def work(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_median_counts_after_a_first_run_that_warms_up() -> None:
    waits = iter([0.2, 0.01, 0.15, 0.02])
    images = []

    def run(index: int) -> None:
        images.append(index)
        work(next(waits))

    assert 0.02 <= seconds_of(run, 3) < 0.1
    assert images == [0, 0, 1, 2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="what runs on a GPU is waited for")
def test_time_in_which_others_have_the_cpu_does_not_count() -> None:
    assert seconds_of(lambda _: time.sleep(0.1), 1) < 0.05


def test_a_first_run_that_takes_long_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "PATIENCE", 0.01)
    images = []

    def run(index: int) -> None:
        images.append(index)
        work(0.02)

    assert seconds_of(run, 3) >= 0.02
    assert images == [0]


def test_detectors_and_the_network_before_them_are_timed(tmp_path: Path) -> None:
    files: list[dict[str, str | None]] = []
    for number in range(3):
        path = tmp_path / f"{number}.png"
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (60, 70)).astype(np.uint8)).save(path)
        files.append({"image": path.name, "path": str(path), "missing": None, "problem": None})
    (tmp_path / "1.png").write_text("no image")
    manifest, features, settings = shard_of(tmp_path, files)
    job = new_job()
    chosen = DETECTORS["padim"].settings(**{"positions": "shared"}).model_dump()
    model = tmp_path / "model.pt"
    fit_detector(
        features=[features],
        output=model,
        summary=tmp_path / "model.json",
        checkpoints=tmp_path / "fitting",
        method="padim",
        settings=chosen,
        layers=LAYERS,
        device="cpu",
        threads=1,
        job=job,
    )
    fca = DETECTORS["fca"].settings().model_dump()
    timed = [
        TimedDetector("mine", "fca", fca, LAYERS, features, None),
        TimedDetector("padim", "padim", chosen, LAYERS, features, model),
    ]
    output = tmp_path / "costs.json"
    measure_costs(manifest=manifest, detectors=timed, settings=settings, output=output, threads=1, job=job)
    found = json.loads(output.read_text())
    assert found["device"] == "cpu"
    assert set(found["detectors"]) == {"mine", "padim"}
    assert all(0 < seconds < 10 for costs in found["detectors"].values() for seconds in costs.values())
    assert job.n_images == 2, "one is no image"


def test_a_shard_without_images_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_text("no image")
    row = {"image": "0.png", "path": str(tmp_path / "0.png"), "missing": None, "problem": None}
    manifest, features, settings = shard_of(tmp_path, [row])
    fca = TimedDetector("fca", "fca", DETECTORS["fca"].settings().model_dump(), LAYERS, features, None)
    output = tmp_path / "costs.json"
    with pytest.raises(FirstsightError, match="none of the images that are timed could be used"):
        measure_costs(manifest=manifest, detectors=[fca], settings=settings, output=output, threads=1, job=new_job())
    assert not output.exists()
