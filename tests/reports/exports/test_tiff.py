"""Maps as TIFF, read back by tifffile and by Pillow."""

import csv
import json
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from firstsight.reports.exports.findings import Findings, ImageFindings
from firstsight.reports.exports.tiff import write_tiff


def test_maps_come_back(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> None:
    write_tiff(findings, iter(images), tmp_path)
    with open(tmp_path / "images.csv", encoding="utf-8", newline="") as file:
        files = {row["image"]: row["file"] for row in csv.DictReader(file)}
    for image in images:
        path = tmp_path / files[image.entry.image]
        with tifffile.TiffFile(path) as tiff:
            values = tiff.asarray()
            assert tiff.pages.first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
            description = json.loads(tiff.pages.first.description)
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, image.anomaly_map)
        with Image.open(path) as picture:
            np.testing.assert_array_equal(np.asarray(picture), image.anomaly_map)
        assert description["image"] == image.entry.image
        assert (description["score"], description["fingerprint"]) == (image.score, "0123456789")
