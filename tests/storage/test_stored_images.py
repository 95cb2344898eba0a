"""Images in the stores and manifests of all shards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from firstsight.storage.store import ShardWriter
from firstsight.storage.stored_images import images_token, random_images, read_images, stored_images
from firstsight.storage.table_schemas import TRUTH_COLUMNS
from firstsight.storage.tables import write_table


def write_shards(folder: Path, tokens: dict[str, str]) -> list[Path]:
    """Two shards of images by their tokens; an image without a token has no features."""
    folder.mkdir(exist_ok=True)
    paths = [folder / "0.zarr", folder / "1.zarr"]
    for shard, path in enumerate(paths):
        with ShardWriter(path, dtype="float32") as writer:
            for image in list(tokens)[shard::2]:
                arrays, status = ({"map": np.zeros((1, 1))}, "ok") if tokens[image] else ({}, "empty file")
                token = f"{image} {tokens[image]}"
                writer.add(image, token, arrays, {"status": status, "token": token, "image": image})
    return paths


def test_images_come_in_an_order_of_what_they_hold(tmp_path: Path) -> None:
    """Whatever their names, and the order of the shards; equal images in the order of their names."""
    contents = {"a": "1", "b": "2", "c": "", "d": "", "e": "3", "f": "1", "g": "4"}
    shards = write_shards(tmp_path / "named", contents)
    names = [key for _, key in stored_images(shards)]
    assert sorted(names) == ["a", "b", "e", "f", "g"], "without those that have no features"
    assert names.index("f") == names.index("a") + 1
    assert [key for _, key in stored_images(shards[::-1])] == names
    other = {"z": "4", "y": "3", "x": "2", "w": "1", "v": "1"}
    renamed = [key for _, key in stored_images(write_shards(tmp_path / "renamed", other))]
    assert [other[name] for name in renamed] == [contents[name] for name in names]


def test_a_random_choice_hangs_on_its_seed_and_on_what_images_hold(tmp_path: Path) -> None:
    def choose(folder: str, letters: str, count: int, seed: int) -> list[str]:
        shards = write_shards(tmp_path / folder, {letter: "" if letter in "cf" else letter for letter in letters})
        return [key for _, key in random_images(stored_images(shards), count, seed)]

    first = choose("some", "abcdefghij", 4, 1)
    assert choose("some", "abcdefghij", 99, 1)[:4] == first
    assert choose("turned", "jihgfedcba", 4, 1) == first
    assert len({tuple(choose("some", "abcdefghij", 3, seed)) for seed in range(9)}) > 3
    assert sorted(choose("some", "abcdefghij", 99, 1)) == list("abdeghij")
    grown = choose("grown", "abcdefghijklm", 99, 1)
    assert [name for name in grown if name in "abcdefghij"] == choose("some", "abcdefghij", 99, 1)


def test_the_token_of_images_changes_with_their_contents_and_their_order(tmp_path: Path) -> None:
    tokens = []
    for number, contents in enumerate(({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "12", "b": ""})):
        images = stored_images(write_shards(tmp_path / f"{number}", contents))
        tokens += [images_token(images), images_token(images[::-1])]
    assert tokens[0] == images_token(stored_images([tmp_path / "0/0.zarr", tmp_path / "0/1.zarr"]))
    assert len(set(tokens)) == 5, "one image has one order"


def image_row(image: str, status: str) -> dict[str, Any]:
    names = {"collection": "c", "image": image, "path": image, "sha256": None, "dtype": None, "shard": "s"}
    names |= dict.fromkeys(("texture_score", "is_texture", *TRUTH_COLUMNS))
    names |= dict.fromkeys(("value_low", "value_high", "duplicate_of", "remark"))
    return {
        **names,
        "width": 4,
        "height": 4,
        "channels": 1,
        "missing": None,
        "ignored": None,
        "status": status,
    }


def test_labels_and_masks_join_their_images(tmp_path: Path) -> None:
    write_table(
        tmp_path / "a.parquet", "images", [image_row("x", "ok"), image_row("y", "empty file"), image_row("z", "ok")]
    )
    truth: list[dict[str, Any]] = [
        {"image": "x", "label": "crack", "is_normal": False, "mask": "x_mask", "mask_values": "> 0"},
        {"image": "y", "status": "ok"},
        {"image": "z", "label": "good", "is_normal": True, "status": "ok"},
    ]
    truth[0] |= {"status": "mask is 5 x 5, image is 4 x 4", "truth_remark": "odd"}
    (tmp_path / "a.json").write_text(json.dumps([dict.fromkeys(TRUTH_COLUMNS) | row for row in truth]))
    images = read_images([tmp_path / "a.parquet"], [tmp_path / "a.json"]).set_index("image")
    assert images["status"].to_dict() == {"x": "mask is 5 x 5, image is 4 x 4", "y": "empty file", "z": "ok"}
    assert list(images.loc["x", ["mask", "mask_values", "truth_remark"]]) == ["x_mask", "> 0", "odd"]
    assert images["is_normal"].tolist() == [False, pandas.NA, True]
    assert images.loc["z", "label"] == "good"
    assert pandas.isna(images["label"]["y"])
    assert pandas.isna(images["mask"]["z"])
