"""Adding images leaves finished shards as they are; changing a setting makes a new path."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from running import LAWS, QUICK, read_tables, run

FALSE_ALARMS = {"method": "false_alarm_rate", "rate": 0.05, "unit": "image"}


def add_image(folder: Path, name: str, seed: int) -> None:
    folder.mkdir(exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (96, 96)).astype(np.uint8)
    Image.fromarray(values).save(folder / name)


def stores(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "results").glob("pile/*/*/**/*.zarr.zip")}


def planned(plan: "subprocess.CompletedProcess[str]") -> dict[str, int]:
    """How many jobs of each rule a dry run would start."""
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", plan.stdout, re.MULTILINE)}


def test_a_collection_grows(tmp_path: Path) -> None:
    pile = tmp_path / "pile"
    for number in range(0, 8, 2):
        add_image(pile, f"{number}.png", number)
    config = {"collections": {"pile": {"path": "pile"}}, "images_per_job": 4, "threshold": FALSE_ALARMS, **QUICK}
    assert run(tmp_path, config=config).returncode == 0
    before = stores(tmp_path)
    assert len(before) == 2, "a shard with features and maps"
    scale = next((tmp_path / "results").glob("pile/features/*/scale.json")).read_bytes()

    for number in (1, 3):
        add_image(pile, f"{number}.png", number)
    two = {**config, "detectors": {"fca": {}, "small": {"method": "fca", "patch_size": 5}}}
    assert run(tmp_path, config=two).returncode == 0
    after = stores(tmp_path)
    assert {path: after.get(path) for path in before} == before, "neither new images nor another detector touch these"
    assert next((tmp_path / "results").glob("pile/features/*/scale.json")).read_bytes() == scale
    assert len(after) == 6, "two shards, each with features and the maps of two detectors"
    images = read_tables(tmp_path / "results")["images"]
    assert images["image"].tolist() == [f"{number}.png" for number in (0, 1, 2, 3, 4, 6)]
    assert set(images["status"]) == {"ok"}

    found = json.loads(next((tmp_path / "results/pile/detectors").glob("fca-*/decision.json")).read_text())
    assert (found["method"], found["rate"]) == ("false_alarm_rate", 0.05)
    assert "of normal images, about 5 % are asked to have a region; of these 6 images, " in found["says"]
    assert images["fca_threshold"].nunique() == len(images), "every image has its own"
    plan = run(tmp_path, "--dry-run", config={**config, "threshold": {"method": "otsu"}})
    assert re.search(r"^threshold +1$", plan.stdout, re.MULTILINE), plan.stdout
    assert not re.search(r"^detect ", plan.stdout, re.MULTILINE), "another threshold needs no other maps"

    assert "Nothing to be done" in run(tmp_path, "--dry-run", config=two).stdout
    other = {**two, "detectors": {"fca": {}, "small": {"method": "fca", "patch_size": 7}}}
    plan = run(tmp_path, "--dry-run", config=other)
    of_shards, of_collection = ("detect", "describe", "overlays"), ("threshold", "cluster", "charts", "evaluate")
    expected = dict.fromkeys(of_shards, 2) | dict.fromkeys((*of_collection, "tables", "page", "all"), 1)
    assert planned(plan) == expected | {"total": sum(expected.values())}, "another setting of one detector"
    made = re.findall(r"^ +output: (.+)$", plan.stdout, re.MULTILINE)
    assert len(made) == sum(expected.values()) - 1
    assert all("/small-" in paths for paths in made if "/detectors/" in paths and "reports/index" not in paths)
    plan = run(tmp_path, "--dry-run", config=config)
    assert set(planned(plan)) == {"tables", "page", "all", "total"}, "a detector that is taken away"

    add_image(pile, "0.png", 100)
    plan = run(tmp_path, "--dry-run", config=config)
    assert {planned(plan)[rule] for rule in ("manifest", "features", "detect")} == {1}, "only the shard that has it"
    add_image(pile, "0.png", 0)

    (pile / "3.png").rename(tmp_path / "3.png")
    plan = run(tmp_path, "--dry-run", config=config)
    shards = re.findall(r"^ +output: results/pile/shards/(\w+)/images.parquet", plan.stdout, re.MULTILINE)
    assert len(set(shards) - {path.name.split(".")[0] for path in before}) == 1, (
        "of the others, only the shard that had it"
    )
    (tmp_path / "3.png").rename(pile / "3.png")

    other = {**config, "features": {**LAWS["features"], "border": "paper"}}
    plan = run(tmp_path, "--dry-run", config=other)
    folders = {path.relative_to(tmp_path / "results").parts[2] for path in before}
    assert len(folders) == 2, "one of features, one of a detector"
    assert not [folder for folder in folders if folder in plan.stdout], "another setting must lead to another path"


@pytest.mark.slow
def test_a_mask_that_comes_later_makes_metrics_but_no_new_features(tmp_path: Path) -> None:
    pile = tmp_path / "pile/test/spot"
    pile.parent.mkdir(parents=True)
    for number in range(3):
        add_image(pile, f"{number}.png", number)
    config = {"collections": {"pile": {"path": "pile", "layout": "mvtec"}}, **QUICK}
    assert run(tmp_path, "tables", config=config).returncode == 0
    before = stores(tmp_path)
    assert "pro" not in set(read_tables(tmp_path / "results")["metrics"]["metric"])

    masks = tmp_path / "pile/ground_truth/spot"
    masks.mkdir(parents=True)
    for number in range(3):
        Image.fromarray(np.eye(96, dtype=np.uint8) * 255).save(masks / f"{number}_mask.png")
    assert run(tmp_path, "tables", config=config).returncode == 0
    assert stores(tmp_path) == before
    assert "pro" in set(read_tables(tmp_path / "results")["metrics"]["metric"])
