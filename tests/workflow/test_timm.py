"""A run with a network of timm: planned, measured, and its features computed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firstsight.storage.store import ShardReader
from running import run
from timm_samples import random_weights


def test_a_network_of_timm_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "pile").mkdir()
    for number in range(4):
        values = np.random.default_rng(number).integers(0, 255, (70, 90)).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / f"pile/{number}.png")
    weights = random_weights(tmp_path, "test_resnet")
    features = {"extractor": "timm/test_resnet", "weights": str(weights), "image_size": None}
    config = {"collections": {"pile": {"path": "pile"}}, "features": features, "detectors": {"fca": {}}}
    done = run(tmp_path, "--until", "features", config=config)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("firstsight: measuring timm/test_resnet once") == 1
    (store,) = (tmp_path / "results/pile/features").glob("timm_test_resnet-*/*.zarr.zip")
    reader = ShardReader(store)
    shapes = {name: reader.shape(key, name)[1:] for key in reader.keys() for name in reader.names(key)}  # noqa: SIM118
    assert shapes == {"stage1": (18, 23), "stage2": (9, 12)}
    unknown = run(tmp_path, config={**config, "features": {**features, "extractor": "timm/resnet19"}})
    assert unknown.returncode != 0
    (line,) = [line for line in unknown.stderr.splitlines() if "timm has no model" in line]
    assert line.startswith("firstsight: config: features.extractor: timm has no model 'resnet19'; did you mean timm/")
    assert "Traceback" not in unknown.stderr
