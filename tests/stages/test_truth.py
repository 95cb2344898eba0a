"""Stage truth: masks read as their collection means them, and what is said of labels and masks at odds."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.truth import EMPTY_MASK, LARGE_MASK, MASK_OF_NORMAL, NEITHER, NO_MASK, read_truth

SPOT = np.zeros((12, 12), np.uint8)
SPOT[2:5, 3:9] = 1


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """A shard of eight images, the last of which cannot be read, and masks of class numbers."""
    noise = np.random.default_rng(0)
    for number in range(8):
        Image.fromarray(noise.integers(0, 256, SPOT.shape, np.uint8)).save(tmp_path / f"{number}.png")
    (tmp_path / "7.png").write_text("no image")
    for name, mask in {"empty": SPOT * 0, "one": SPOT, "two": 2 * SPOT.T, "small": SPOT[:6]}.items():
        Image.fromarray(mask).save(tmp_path / f"{name}.png")
    make_manifest(
        files=[
            {"image": f"{number}.png", "path": str(tmp_path / f"{number}.png"), "missing": None, "problem": None}
            for number in range(8)
        ],
        collection="pile",
        shard="s",
        output=tmp_path / "images.parquet",
        members=tmp_path / "members.json",
        job=Job("manifest", "pile", "s", "", io.StringIO()),
    )
    return tmp_path


def read(folder: Path, *images: tuple[bool | None, str], sample: str = "one two", **more: Any) -> tuple[list[Any], Job]:
    """The rows of images, given whether each is normal and its masks."""
    job = Job("truth", "pile", "s", "", io.StringIO())
    read_truth(
        rows=[
            {
                "image": f"{number}.png",
                "label": {True: "fine", False: "spot", None: None}[normal],
                "normal": normal,
                "masks": [str(folder / f"{name}.png") for name in names.split()],
                "remark": None,
            }
            for number, (normal, names) in enumerate(images)
        ],
        sample=[{"mask": str(folder / f"{name}.png")} for name in sample.split()],
        positive=more.get("positive"),
        manifest=folder / "images.parquet",
        output=folder / "truth.json",
        job=job,
    )
    return json.loads((folder / "truth.json").read_text(encoding="utf-8")), job


def logged(job: Job) -> list[str]:
    assert isinstance(job.log, io.StringIO)
    return job.log.getvalue().splitlines()


def test_labels_and_masks_that_do_not_go_together(shard: Path) -> None:
    rows, job = read(
        shard,
        (False, "one two"),
        (False, "empty"),
        (False, ""),
        (True, "one"),
        (True, "empty"),
        (None, ""),
        (None, "small"),
        (False, "one"),
    )
    assert [row["truth_remark"] for row in rows] == [
        None, EMPTY_MASK, NO_MASK, MASK_OF_NORMAL, None, NEITHER, None, None
    ]  # fmt: skip
    both = f"{shard / 'one.png'}\n{shard / 'two.png'}"
    assert [row["mask"] for row in rows] == [
        both, None, None, None, None, None, str(shard / "small.png"), str(shard / "one.png")
    ]  # fmt: skip
    assert [row["status"] for row in rows[:6]] == ["ok"] * 6
    assert rows[6]["status"] == "mask is 12 x 6, image is 12 x 12"
    assert {row["mask_values"] for row in rows if row["mask"]} == {"> 0"}
    assert [row["is_normal"] for row in rows] == [False, False, False, True, True, None, None, False]
    assert job.says == "masks: class numbers 1 to 2, any is anomalous"
    assert logged(job) == [
        job.says,
        f"1.png: {EMPTY_MASK}",
        f"2.png: {NO_MASK}",
        f"3.png: {MASK_OF_NORMAL}",
        f"5.png: {NEITHER}",
        "6.png: mask is 12 x 6, image is 12 x 12",
        *(f"1 image: {text}" for text in (EMPTY_MASK, NO_MASK, MASK_OF_NORMAL, NEITHER)),
    ]


def test_the_config_may_say_which_values_are_anomalous(shard: Path) -> None:
    rows, job = read(shard, (False, "one"), (False, "two"), positive=(2,))
    assert [row["truth_remark"] for row in rows] == [EMPTY_MASK, None]
    assert rows[1]["mask_values"] == "2"
    assert job.says == "masks: 2 is anomalous, as mask.positive says"


def test_a_mask_that_is_the_other_way_round_is_asked_about(shard: Path) -> None:
    Image.fromarray(255 * (1 - SPOT)).save(shard / "inverted.png")
    rows, _ = read(shard, (False, "inverted"), (None, "inverted"), sample="inverted")
    assert [row["truth_remark"] for row in rows] == [LARGE_MASK] * 2
    rows, _ = read(shard, (False, "inverted"), sample="inverted", positive=(0,))
    assert rows[0]["truth_remark"] is None


def test_a_collection_without_masks_is_not_asked_for_any(shard: Path) -> None:
    rows, job = read(shard, (False, ""), (None, ""), (True, ""), sample="")
    assert [row["truth_remark"] for row in rows] == [None] * 3
    assert job.says == ""
    assert logged(job) == []
