"""Masks as PNG: 255 where a pixel is in a region, else 0."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from firstsight.reports.exports.findings import Findings, ImageFindings, file_of, write_index


def write_masks(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write one mask per image, at the image's size and named by `file_of`, and the index ``images.csv``."""
    for image in images:
        path = folder / file_of(image.entry.image, ".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.where(image.labels > 0, 255, 0).astype(np.uint8)).save(path)
    write_index(folder, ((entry.image, file_of(entry.image, ".png")) for entry in findings.images))
