"""COCO JSON: images, and one annotation per region, with the region's cluster as its category.

Format: https://cocodataset.org/#format-data. A region is written as polygons along the edges of its pixels, from which
pycocotools recovers the same pixels; parts that touch only at corners have polygons of their own. Polygons cannot
express holes, so a region with a hole is written as uncompressed run lengths.
"""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from firstsight.reports.exports.findings import (
    Findings,
    ImageEntry,
    ImageFindings,
    RegionFinding,
    as_picture,
    file_of,
    name_of,
)
from firstsight.reports.exports.outlines import run_lengths, trace_outlines


def write_coco(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write ``annotations/instances_default.json``, one annotation per line, and the images in ``images/default``.

    That is the folder from which datumaro and CVAT read COCO. An image is a copy of its file, since datumaro takes no
    links; one within a stack is written as PNG of 8 bits, and one whose file is gone is left out. Below
    ``images/default`` it has its ``file_name``, which is its id in the collection (``image``) unless that is not safe
    as a path.

    In addition to COCO's keys, an annotation has ``score`` (largest value of the map in the region), ``cluster`` (its
    number, or null) and ``region`` (its number in the table `regions`).
    """
    numbers = {name: number for number, name in enumerate(findings.cluster_names, start=1)}
    categories = [{"id": number, "name": name, "supercategory": "anomaly"} for name, number in numbers.items()]
    entries = [
        {
            "id": number,
            "file_name": _file_name(entry),
            "height": entry.height,
            "width": entry.width,
            "image": entry.image,
        }
        for number, entry in enumerate(findings.images, start=1)
    ]
    pictures = folder / "images/default"
    pictures.mkdir(parents=True)
    (folder / "annotations").mkdir()
    with open(folder / "annotations/instances_default.json", "w", encoding="utf-8") as file:
        info = {"description": f"anomalies found by firstsight in {findings.collection}", **findings.header()}
        file.write(f'{{"info": {json.dumps(info)},\n"licenses": [],\n"categories": {json.dumps(categories)},\n')
        file.write(f'"images": {json.dumps(entries)},\n"annotations": [')
        count = 0
        for number, image in enumerate(images, start=1):
            _place(image, pictures / _file_name(image.entry))
            for region in image.regions:
                count += 1
                ids = {"id": count, "image_id": number, "category_id": numbers[region.cluster_name]}
                file.write(("\n" if count == 1 else ",\n") + json.dumps({**ids, **_annotation(region, image)}))
        file.write("\n]}\n")


def _file_name(entry: ImageEntry) -> str:
    return name_of(entry.image) if Path(entry.path).is_file() else file_of(entry.image, ".png")


def _place(image: ImageFindings, path: Path) -> None:
    """Put an image where ``path`` says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = Path(image.entry.path)
    if source.is_file():
        shutil.copyfile(source, path)
        return
    pixels = image.pixels()
    if pixels is not None:
        as_picture(pixels).save(path)


def _annotation(region: RegionFinding, image: ImageFindings) -> dict[str, Any]:
    mask = region.mask(image.labels)
    outlines = trace_outlines(mask)
    segmentation: Any
    if any(outline.is_hole for outline in outlines):
        height, width = image.labels.shape
        segmentation = {"size": [height, width], "counts": run_lengths(mask, region.x, region.y, height, width)}
    else:
        offset = np.array([region.x, region.y])
        segmentation = [(outline.corners + offset).ravel().tolist() for outline in outlines]
    return {
        "segmentation": segmentation,
        "bbox": [region.x, region.y, region.width, region.height],
        "area": region.area,
        "iscrowd": 0,
        "score": region.score_max,
        "cluster": region.cluster,
        "region": region.region,
    }
