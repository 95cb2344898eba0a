"""What a record says of the settings: all of them, and enough to ask for the same again."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from firstsight.plan.loading import load_settings
from firstsight.plan.provenance import settings_of_job
from firstsight.plan.run import Plan, plan_run

ROOT = Path(__file__).resolve().parents[2]


def plan(folder: Path, entry: dict[str, Any], **config: Any) -> Plan:
    overrides = {"results": str(folder / "results"), "collections": {"pile": entry}, **config}
    return plan_run(load_settings(ROOT / "config.yaml", overrides))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("pile", "normal"):
        (tmp_path / name).mkdir()
        for number in range(3):
            values = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
            Image.fromarray(values).save(tmp_path / f"{name}/{number}.png")
    return tmp_path


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"threshold": {"method": "false_alarm_rate", "unit": "image"}, "evaluation": {"crop": 0.1}},
        # The features of a network lie in one folder with the layers of all detectors: one alone would have another.
        {
            "detectors": {"small": {"method": "fca", "patch_size": 5}, "padim": {}, "rpca": {}},
            "features": {"extractor": "laws"},
            "images_per_job": 2,
        },
        {"features": {"extractor": "colors", "image_size": [16, 18], "device": "cpu"}, "clustering": {"clusters": 2}},
    ],
)
def test_a_record_asks_for_the_same_again(folder: Path, config: dict[str, Any]) -> None:
    entry = {"path": str(folder / "pile"), "reference": str(folder / "normal")}
    planned = plan(folder, entry, **config).collections["pile"]
    for detector in planned.detectors.values():
        record = json.loads(settings_of_job(planned, detector))
        assert list(record["detectors"]) == [detector.name]
        again = plan(folder, record).collections["pile"]
        assert again.detectors == {detector.name: detector}
        assert again.shards == planned.shards
        assert json.loads(settings_of_job(again, again.detectors[detector.name])) == record
    of_no_detector = json.loads(settings_of_job(planned))
    assert of_no_detector == {key: value for key, value in record.items() if key != "detectors"}


def test_the_weights_of_a_network_have_their_name(folder: Path) -> None:
    weights = folder / "own.pth"
    weights.write_bytes(b"anything")
    entry = {"path": str(folder / "pile"), "features": {"extractor": "resnet18", "weights": str(weights)}}
    planned = plan(folder, entry).collections["pile"]
    assert json.loads(settings_of_job(planned))["features"]["weights"] == str(weights)
    packaged = plan(folder, {"path": str(folder / "pile")}).collections["pile"]
    assert json.loads(settings_of_job(packaged))["features"]["weights"] == "efficientnet-lite0-57934424.pth"


def test_the_text_does_not_hang_on_the_order_of_a_config(folder: Path) -> None:
    path = str(folder / "pile")
    one = plan(folder, {"path": path, "clustering": {"clusters": 3, "contrastive": True}, "layout": "folder"})
    other = plan(folder, {"layout": "folder", "clustering": {"contrastive": True, "clusters": 3}, "path": path})
    assert settings_of_job(one.collections["pile"]) == settings_of_job(other.collections["pile"])
    assert "\n" not in settings_of_job(one.collections["pile"])
