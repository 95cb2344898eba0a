"""COCO JSON, read back by pycocotools."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO

from firstsight.reports.exports.coco import write_coco
from firstsight.reports.exports.findings import Findings, ImageFindings


@pytest.fixture
def coco(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> COCO:
    write_coco(findings, iter(images), tmp_path)
    with contextlib.redirect_stdout(None):
        return COCO(tmp_path / "annotations.json")


def test_every_region_is_its_pixels(coco: COCO, images: list[ImageFindings]) -> None:
    kinds = set()
    for number, image in enumerate(images, start=1):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        assert len(annotations) == len(image.regions)
        for annotation, region in zip(annotations, image.regions, strict=True):
            mask = coco.annToMask(annotation)
            np.testing.assert_array_equal(mask, image.labels == region.region)
            kinds.add(type(annotation["segmentation"]))
            assert annotation["area"] == mask.sum()
            rows, columns = np.nonzero(mask)
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            assert annotation["bbox"] == box
            assert annotation["score"] == image.anomaly_map[mask > 0].max()
            assert coco.loadCats(annotation["category_id"])[0]["name"] == region.cluster_name
            assert annotation["cluster"] == region.cluster
    assert kinds == {list, dict}, "polygons, and run lengths where there is a hole"


def test_images_without_a_region_are_there_too(coco: COCO, findings: Findings) -> None:
    entries = coco.loadImgs(coco.getImgIds())
    assert [entry["file_name"] for entry in entries] == [entry.image for entry in findings.images]
    assert [(entry["height"], entry["width"]) for entry in entries] == [(e.height, e.width) for e in findings.images]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(findings.cluster_names)
    assert coco.dataset["info"]["threshold"] == findings.threshold


def test_a_collection_without_maps(nothing: Findings, tmp_path: Path) -> None:
    write_coco(nothing, iter([]), tmp_path)
    content = json.loads((tmp_path / "annotations.json").read_text())
    assert (content["images"], content["annotations"], content["categories"]) == ([], [], [])
