"""The range of values of a collection is found once, by whichever shard needs it, and kept."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import tifffile
from PIL import Image

from firstsight.stages.job import Job
from firstsight.stages.manifest import Values, make_manifest
from firstsight.storage.json import read_json
from firstsight.storage.tables import read_table

BYTES = (40 + 170 * np.random.default_rng(3).random((64, 64))).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, factor in (("a", 16), ("b", 8), ("c", 4)):
        tifffile.imwrite(tmp_path / f"{name}.tif", BYTES.astype(np.uint16) * np.uint16(factor))
    Image.fromarray(BYTES).save(tmp_path / "plain.png")
    return tmp_path


def manifest(folder: Path, names: list[str], values: Values | None) -> tuple[pandas.DataFrame, Job]:
    job = Job("manifest", "pile", "s", "", io.StringIO())
    files: list[dict[str, Any]] = [
        {"image": name, "path": str(folder / name), "missing": None, "problem": None} for name in names
    ]
    make_manifest(
        files=files,
        collection="pile",
        shard="s",
        output=folder / "images.parquet",
        members=folder / "members.json",
        job=job,
        values=values,
    )
    return read_table(folder / "images.parquet").set_index("image"), job


def sampled(folder: Path, *names: str) -> Values:
    return Values(folder / "values.json", [str(folder / name) for name in names])


def test_all_shards_have_the_range_of_the_collection(folder: Path) -> None:
    rows, job = manifest(folder, ["c.tif", "plain.png"], sampled(folder, "plain.png", "a.tif", "b.tif"))
    assert (rows["value_low"].iloc[0], rows["value_high"].iloc[0]) == (0, 4095)
    assert rows["value_low"].isna().tolist() == [False, True], "eight bits leave nothing open"
    assert job.says == "values from 0 to 4095: 12 bits, found from 2 images"
    rows, _ = manifest(folder, ["c.tif"], sampled(folder, "c.tif"))
    assert rows.loc["c.tif", "value_high"] == 4095, "kept as the collection grows"


def test_a_range_is_found_anew_when_nothing_is_left_of_what_it_was_found_from(folder: Path) -> None:
    manifest(folder, ["a.tif"], sampled(folder, "a.tif"))
    tifffile.imwrite(folder / "a.tif", BYTES.astype(np.uint16) * np.uint16(4))
    rows, _ = manifest(folder, ["a.tif"], sampled(folder, "a.tif"))
    assert rows.loc["a.tif", "value_high"] == 1023
    assert read_json(folder / "values.json")["high"] == 1023


def test_the_range_of_the_config_holds_for_all(folder: Path) -> None:
    given = Values(folder / "values.json", [], (10.0, 200.0))
    rows, _ = manifest(folder, ["a.tif", "plain.png"], given)
    assert rows["value_high"].tolist() == [200, 200]
    assert not (folder / "values.json").exists()


def test_images_of_a_rare_kind_have_the_range_of_their_type(folder: Path) -> None:
    rows, _ = manifest(folder, ["a.tif"], sampled(folder, "plain.png"))
    assert rows["value_high"].isna().all()
    assert not (folder / "values.json").exists()
