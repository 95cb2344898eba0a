"""Anomaly maps as TIFF, in the units of the map."""

import json
from collections.abc import Iterable
from pathlib import Path

import tifffile

from firstsight.reports.exports.findings import Findings, ImageFindings, file_of, write_index


def write_tiff(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write one float32 TIFF per image, at the image's size and named by `file_of`, and the index ``images.csv``.

    A file's description is JSON: the image, its score, and `Findings.header`. Most programs can read deflate without a
    predictor.
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
