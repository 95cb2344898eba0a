"""Reading shards, and folders that appear whole or not at all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from firstsight.storage.replacing import replace_folder
from firstsight.storage.store import ShardWriter
from firstsight.storage.stored_images import read_images
from firstsight.storage.stored_maps import stored_maps
from firstsight.storage.tables import write_table

PLACE = {"height": 16, "width": 24, "input_height": 16, "input_width": 24, "stride": 8, "offset": 0.0}


def test_stored_maps_are_read_when_asked_for(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((2, 3), dtype=np.float32)
    with ShardWriter(tmp_path / "a.zarr", dtype="float32") as writer:
        writer.add("0", "t", {"map": values}, {"image": "x.png", "status": "ok", "geometry": PLACE})
        writer.add("1", "t", {}, {"image": "y.png", "status": "empty file"})
    first, second = stored_maps([tmp_path / "a.zarr"])
    np.testing.assert_array_equal(first.cells(), values)
    assert first.pixels().shape == (16, 24)
    assert (second.image, second.status, second.geometry) == ("y.png", "empty file", None)


def image_row(image: str, status: str) -> dict[str, Any]:
    names = {"collection": "c", "image": image, "path": image, "sha256": None, "dtype": None, "shard": "s"}
    names |= {"texture_score": None, "is_texture": None}
    return {
        **names,
        "width": 4,
        "height": 4,
        "channels": 1,
        "label": None,
        "mask": None,
        "missing": None,
        "status": status,
    }


def test_labels_and_masks_join_their_images(tmp_path: Path) -> None:
    write_table(
        tmp_path / "a.parquet", "images", [image_row("x", "ok"), image_row("y", "empty file"), image_row("z", "ok")]
    )
    truth = [
        {"image": "x", "label": "crack", "mask": "x_mask", "status": "mask is 5 x 5, image is 4 x 4"},
        {"image": "y", "label": None, "mask": None, "status": "ok"},
        {"image": "z", "label": "good", "mask": None, "status": "ok"},
    ]
    (tmp_path / "a.json").write_text(json.dumps(truth))
    images = read_images([tmp_path / "a.parquet"], [tmp_path / "a.json"]).set_index("image")
    assert images["status"].to_dict() == {"x": "mask is 5 x 5, image is 4 x 4", "y": "empty file", "z": "ok"}
    assert images.loc["x", "mask"] == "x_mask"
    assert images.loc["z", "label"] == "good"
    assert pandas.isna(images["label"]["y"])
    assert pandas.isna(images["mask"]["z"])


def cut_off(folder: Path) -> None:
    with replace_folder(folder) as partial:
        (partial / "b").write_text("2")
        raise ZeroDivisionError


def test_a_folder_is_replaced_only_when_all_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with replace_folder(folder) as partial:
        (partial / "a").write_text("1")
        assert not folder.exists()
    with pytest.raises(ZeroDivisionError):
        cut_off(folder)
    assert [path.name for path in folder.iterdir()] == ["a"]
    with replace_folder(folder) as partial:
        (partial / "c").write_text("3")
    assert [path.name for path in folder.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [folder]
