"""Images in the stores and manifests of all shards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch

from firstsight.storage.store import ShardWriter
from firstsight.storage.stored_images import images_token, random_images, read_images, stored_images
from firstsight.storage.tables import write_table


def write_shards(folder: Path, tokens: dict[str, str]) -> list[Path]:
    """Two shards of images by their tokens; an image without a token has no features."""
    paths = [folder / "0.zarr", folder / "1.zarr"]
    for shard, path in enumerate(paths):
        with ShardWriter(path, dtype="float32") as writer:
            for image in list(tokens)[shard::2]:
                arrays, status = ({"map": np.zeros((1, 1))}, "ok") if tokens[image] else ({}, "empty file")
                writer.add(image, tokens[image], arrays, {"status": status, "token": tokens[image]})
    return paths


def test_images_without_features_are_passed_over_in_order(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, {"a": "1", "b": "2", "c": "", "d": "", "e": "3"})
    assert [key for _, key in stored_images(shards)] == ["a", "e", "b"]


def test_a_random_choice_hangs_on_its_seed_alone(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, {letter: "" if letter in "cf" else letter for letter in "abcdefghij"})

    def choose(count: int, seed: int) -> list[str]:
        return [key for _, key in random_images(shards, count, torch.Generator().manual_seed(seed))]

    assert choose(4, 1) == choose(4, 1) == choose(99, 1)[:4]
    assert choose(4, 1) != choose(4, 2)
    assert sorted(choose(99, 1)) == list("abdeghij")


def test_the_token_of_images_changes_with_their_contents_and_their_order(tmp_path: Path) -> None:
    tokens = []
    for number, contents in enumerate(({"a": "1", "b": "2"}, {"a": "1", "b": "3"}, {"a": "12", "b": ""})):
        (tmp_path / f"{number}").mkdir()
        images = list(stored_images(write_shards(tmp_path / f"{number}", contents)))
        tokens += [images_token(images), images_token(images[::-1])]
    assert tokens[0] == images_token(list(stored_images([tmp_path / "0/0.zarr", tmp_path / "0/1.zarr"])))
    assert len(set(tokens)) == 5, "one image has one order"


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
