"""Masks, read back by Pillow."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from firstsight.reports.exports.findings import Findings, ImageFindings
from firstsight.reports.exports.masks import write_masks


def test_masks_are_the_regions(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> None:
    write_masks(findings, iter(images), tmp_path / "masks")
    with open(tmp_path / "masks/images.csv", encoding="utf-8", newline="") as file:
        files = {row["image"]: row["file"] for row in csv.DictReader(file)}
    assert files["a/ring.png"] == "a/ring.png.png"
    for image in images:
        with Image.open(tmp_path / "masks" / files[image.entry.image]) as mask:
            assert mask.mode == "L"
            np.testing.assert_array_equal(np.asarray(mask), 255 * (image.labels > 0))
    assert {path.name for path in tmp_path.iterdir()} == {"masks"}, "nothing leaves the folder"
    assert len([path for path in (tmp_path / "masks").rglob("*.png") if path.is_file()]) == len(images)


def test_a_collection_without_maps(nothing: Findings, tmp_path: Path) -> None:
    write_masks(nothing, iter([]), tmp_path)
    assert (tmp_path / "images.csv").read_text() == "image,file\n"
