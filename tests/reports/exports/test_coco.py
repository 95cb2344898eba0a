"""COCO JSON, read back by pycocotools."""

import contextlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from skimage.draw import polygon2mask

from firstsight.reports.exports.coco import write_coco
from firstsight.reports.exports.findings import Findings, ImageFindings


@pytest.fixture
def coco(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> COCO:
    write_coco(findings, iter(images), tmp_path)
    with contextlib.redirect_stdout(None):
        return COCO(tmp_path / "annotations/instances_default.json")


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
    assert [entry["image"] for entry in entries] == [entry.image for entry in findings.images]
    assert [(entry["height"], entry["width"]) for entry in entries] == [(e.height, e.width) for e in findings.images]
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == list(findings.cluster_names)
    assert coco.dataset["info"]["threshold"] == findings.threshold


def test_every_image_lies_where_its_entry_says(coco: COCO, images: list[ImageFindings], tmp_path: Path) -> None:
    folder = (tmp_path / "images/default").resolve()
    for entry, image in zip(coco.loadImgs(coco.getImgIds()), images, strict=True):
        path = folder / entry["file_name"]
        assert path.parent.resolve().is_relative_to(folder)
        with Image.open(path) as picture:
            assert picture.size == (entry["width"], entry["height"])
        source = Path(image.entry.path)
        assert not source.is_file() or path.read_bytes() == source.read_bytes()
    assert [entry["file_name"] for entry in coco.loadImgs([1, 2])] == ["a/ring.png", "a/noise.png.png"]
    assert coco.loadImgs([3])[0]["file_name"].endswith(".tif")


def test_datumaro_reads_every_image_and_region(coco: COCO, images: list[ImageFindings], tmp_path: Path) -> None:
    datumaro = pytest.importorskip("datumaro", reason="needs datumaro")
    dataset = datumaro.Dataset.import_from(str(tmp_path), "coco")
    labels = [label.name for label in dataset.categories()[datumaro.AnnotationType.label]]
    assert len(dataset) == len(images)
    for item in dataset:
        image = images[item.attributes["id"] - 1]
        assert item.subset == "default"
        height, width = image.labels.shape
        assert tuple(item.media.size) == (height, width)
        assert item.media.data.shape[:2] == (height, width)
        drawn = {region.region: np.zeros((height, width), bool) for region in image.regions}
        for annotation in item.annotations:
            region = image.regions[coco.loadAnns([annotation.id])[0]["region"] - 1]
            assert labels[annotation.label] == region.cluster_name
            shape = annotation if hasattr(annotation, "image") else None
            drawn[region.region] |= (
                np.asarray(shape.image, bool)
                if shape
                else polygon2mask((height, width), np.reshape(annotation.points, (-1, 2))[:, ::-1] - 0.5)
            )
        for region in image.regions:
            np.testing.assert_array_equal(drawn[region.region], image.labels == region.region)


def test_a_collection_without_maps(nothing: Findings, tmp_path: Path) -> None:
    write_coco(nothing, iter([]), tmp_path)
    content = json.loads((tmp_path / "annotations/instances_default.json").read_text())
    assert (content["images"], content["annotations"], content["categories"]) == ([], [], [])
