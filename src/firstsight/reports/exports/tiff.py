"""Anomaly maps as TIFF, in the map's own units."""

import json
from collections.abc import Iterable
from pathlib import Path

import tifffile

from firstsight.reports.exports.findings import Findings, ImageFindings, file_of, write_index


def write_tiff(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write a float32 TIFF for each image, at the image's size, named by `file_of`, and the index ``images.csv``.

    The description in each file is JSON: the image, its score, and what `Findings.header` says. Deflate without a
    predictor is what most programs read.
    """
    for image in images:
        path = folder / file_of(image.entry.image, ".tif")
        path.parent.mkdir(parents=True, exist_ok=True)
        description = json.dumps({"image": image.entry.image, "score": image.score, **findings.header()})
        tifffile.imwrite(
            path,
            image.anomaly_map,
            photometric="minisblack",
            compression="zlib",
            description=description,
            metadata=None,
            software="firstsight",
        )
    write_index(folder, ((entry.image, file_of(entry.image, ".tif")) for entry in findings.images))
