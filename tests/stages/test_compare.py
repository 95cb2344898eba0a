"""Detectors side by side, from stored maps."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from PIL import Image

from firstsight.stages.compare import compare_maps, join_disagreements
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.truth import read_truth
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter

SIZE = (40, 60)
PLACE = Geometry(*SIZE, *SIZE, 4, 0.0).__dict__


@pytest.fixture
def folder(tmp_path: Path, job: Job) -> Path:
    """Four images, two of them with a square; maps of a detector that finds it and of one that finds the opposite."""
    names, masks = [f"{number}.png" for number in range(4)], {}
    for number, name in enumerate(names):
        values = np.random.default_rng(number).integers(0, 255, SIZE).astype(np.uint8)
        Image.fromarray(values).save(tmp_path / name)
        if number >= 2:
            mask = np.zeros(SIZE, np.uint8)
            mask[8:20, 8 * number : 8 * number + 16] = 255
            Image.fromarray(mask).save(tmp_path / f"{number}_mask.png")
            masks[name] = mask
    files = [{"image": name, "path": str(tmp_path / name), "missing": None, "problem": None} for name in names]
    make_manifest(
        files=files, collection="pile", shard="s", output=tmp_path / "images.parquet", members=tmp_path / "m", job=job
    )
    rows: list[dict[str, Any]] = [
        {
            "image": name,
            "label": "square" if name in masks else "good",
            "normal": name not in masks,
            "masks": [str(tmp_path / f"{name[0]}_mask.png")] if name in masks else [],
            "remark": None,
        }
        for name in names
    ]
    sample = [{"mask": mask} for row in rows for mask in row["masks"]]
    read_truth(
        rows=rows,
        sample=sample,
        positive=None,
        manifest=tmp_path / "images.parquet",
        output=tmp_path / "truth.json",
        job=job,
    )
    for detector, sign in {"right": 1, "wrong": -1, "blank": 0}.items():
        with ShardWriter(tmp_path / f"{detector}.zarr", dtype="float32") as writer:
            for number, name in enumerate(names):
                anomaly_map = sign * masks.get(name, np.zeros(SIZE))[::4, ::4].astype(np.float32)
                attributes = {"image": name, "status": "ok", "geometry": PLACE}
                if detector == "blank" and number == 0:
                    writer.add(name, name, {}, {"image": name, "status": "too small"})
                else:
                    writer.add(name, name, {"map": anomaly_map}, attributes)
    return tmp_path


def compare(folder: Path, job: Job) -> tuple[pandas.DataFrame, pandas.DataFrame]:
    compare_maps(
        maps={name: [folder / f"{name}.zarr"] for name in ("right", "wrong", "blank")},
        manifests=[folder / "images.parquet"],
        truths=[folder / "truth.json"],
        collection="pile",
        metrics=folder / "metrics.parquet",
        pairs=folder / "pairs.parquet",
        picture=folder / "picture.png",
        job=job,
    )
    return pandas.read_parquet(folder / "metrics.parquet"), pandas.read_parquet(folder / "pairs.parquet")


def test_every_detector_has_its_metrics(folder: Path, job: Job) -> None:
    table = compare(folder, job)[0]
    assert list(table.columns) == ["detector", "metric", "value", "crop"]
    metrics = table.pivot(index="detector", columns="metric", values="value")
    assert table["detector"].unique().tolist() == ["right", "wrong", "blank"]
    assert metrics["auroc"]["right"] > 0.95
    assert metrics["auroc"]["wrong"] < 0.05
    assert metrics.loc["right", "image_auroc"] == 1
    assert metrics.loc["blank", "auroc"] == pytest.approx(0.5)
    assert metrics.loc[["right", "wrong", "blank"], "n_images"].tolist() == [4, 4, 3]


def test_the_image_of_most_disagreement_is_named(folder: Path, job: Job) -> None:
    pairs = compare(folder, job)[1].set_index(["detector", "other"])
    assert set(pairs.index) == {("right", "wrong"), ("right", "blank"), ("wrong", "blank")}
    opposite: Any = pairs.loc[("right", "wrong")]
    assert opposite["image"] in {"2.png", "3.png"}
    assert opposite["largest"] > 0.7
    # On the two images without a square both maps are constant, and say nothing.
    assert opposite["disagreement"] == pytest.approx((opposite["largest"] + 0.5) / 2, abs=0.1)
    assert pairs.loc[("right", "blank"), "n_images"] == 3
    with Image.open(folder / "picture.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 10


def test_collections_are_joined(folder: Path, job: Job) -> None:
    pairs = compare(folder, job)[1]
    pairs.assign(collection="later").to_parquet(folder / "later.parquet")
    join_disagreements(
        pairs=[folder / "pairs.parquet", folder / "later.parquet"],
        table=folder / "between.parquet",
        markdown=folder / "between.md",
    )
    joined = pandas.read_parquet(folder / "between.parquet")
    assert joined["collection"].tolist() == ["pile"] * 3 + ["later"] * 3
    assert joined.dtypes.tolist() == pairs.dtypes.tolist()
    assert list(joined.columns) == list(pairs.columns)
    text = (folder / "between.md").read_text()
    assert "Where they disagree most" in text
    lines = [line for line in text.splitlines() if line.startswith(("| pile | ", "| later | "))]
    assert lines[0].startswith("| pile | right | wrong | 4 | ")
    assert [line.split(" | ")[0] for line in lines] == ["| pile"] * 3 + ["| later"] * 3
