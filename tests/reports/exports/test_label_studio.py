"""Tasks of Label Studio against the schema that its documentation describes."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse
from xml.etree import ElementTree

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from skimage.draw import polygon2mask

from firstsight.reports.exports.findings import Findings, ImageFindings, RegionFinding
from firstsight.reports.exports.label_studio import write_label_studio

PERCENT = {"type": "number", "minimum": 0, "maximum": 100}
RESULT = {
    "type": "object",
    "required": ["id", "type", "from_name", "to_name", "original_width", "original_height", "image_rotation", "value"],
    "properties": {
        "id": {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
        "type": {"const": "polygonlabels"},
        "from_name": {"const": "label"},
        "to_name": {"const": "image"},
        "original_width": {"type": "integer", "minimum": 1},
        "original_height": {"type": "integer", "minimum": 1},
        "image_rotation": {"const": 0},
        "score": {"type": "number"},
        "value": {
            "type": "object",
            "required": ["points", "polygonlabels", "closed"],
            "additionalProperties": False,
            "properties": {
                "points": {
                    "type": "array",
                    "minItems": 3,
                    "items": {"type": "array", "minItems": 2, "maxItems": 2, "items": PERCENT},
                },
                "polygonlabels": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "string"}},
                "closed": {"const": True},
            },
        },
    },
}
TASKS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["data", "predictions"],
        "properties": {
            "data": {"type": "object", "required": ["image"]},
            "predictions": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["model_version", "score", "result"],
                    "properties": {
                        "model_version": {"type": "string"},
                        "score": {"type": "number"},
                        "result": {"type": "array", "items": RESULT},
                    },
                },
            },
        },
    },
}


@pytest.fixture
def tasks(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> list[dict[str, Any]]:
    write_label_studio(findings, iter(images), tmp_path)
    content = json.loads((tmp_path / "tasks.json").read_text())
    Draft202012Validator(TASKS).validate(content)
    return content


def test_each_image_is_a_task(tasks: list[dict[str, Any]], images: list[ImageFindings]) -> None:
    for task, image in zip(tasks, images, strict=True):
        address = urlparse(task["data"]["image"])
        assert address.path == "/data/local-files/"
        assert parse_qs(address.query)["d"] == [image.entry.image]
        assert task["predictions"][0]["score"] == image.score
        ids = [result["id"] for result in task["predictions"][0]["result"]]
        assert len(set(ids)) == len(ids) >= len(image.regions)


def test_polygons_cover_their_regions(tasks: list[dict[str, Any]], images: list[ImageFindings]) -> None:
    ring = images[0]
    height, width = ring.labels.shape
    for result, region in zip(tasks[0]["predictions"][0]["result"], ring.regions, strict=True):
        assert (result["original_height"], result["original_width"]) == (height, width)
        assert result["value"]["polygonlabels"] == [region.cluster_name]
        points = np.array(result["value"]["points"]) * [width / 100, height / 100]
        # Pixel centres lie at halves.
        drawn = polygon2mask((height, width), points[:, ::-1] - 0.5)
        box = drawn[region.y : region.y + region.height, region.x : region.x + region.width]
        assert box.all(), "all regions here are boxes, one with a hole, which is filled"
        assert drawn.sum() == box.size


def test_a_slanted_edge_has_few_corners(findings: Findings, tmp_path: Path) -> None:
    labels = np.tri(60, dtype=np.int32)
    triangle = RegionFinding(1, 0, 0, 60, 60, int(labels.sum()), 1.0, 0, "crack")
    image = ImageFindings(
        findings.images[0],
        1.0,
        labels.astype(np.float32),
        labels,
        [triangle],
        lambda: np.zeros((60, 60, 3), np.float32),
    )
    write_label_studio(findings, iter([image]), tmp_path)
    points = json.loads((tmp_path / "tasks.json").read_text())[0]["predictions"][0]["result"][0]["value"]["points"]
    assert len(points) <= 5
    drawn = polygon2mask((60, 60), np.array(points)[:, ::-1] * 0.6 - 0.5)
    assert (drawn & (labels > 0)).sum() / (drawn | (labels > 0)).sum() > 0.95


def test_the_interface_has_every_label(tasks: list[dict[str, Any]], findings: Findings, tmp_path: Path) -> None:
    view = ElementTree.parse(tmp_path / "labels.xml").getroot()
    assert [label.get("value") for label in view.iter("Label")] == list(findings.cluster_names)
    assert view.find("Image").get("value") == "$image"  # type: ignore[union-attr]


def test_a_collection_without_maps(nothing: Findings, tmp_path: Path) -> None:
    write_label_studio(nothing, iter([]), tmp_path)
    assert json.loads((tmp_path / "tasks.json").read_text()) == []


def test_label_studio_takes_tasks_and_labels(tasks: list[dict[str, Any]], tmp_path: Path) -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface", reason="needs label-studio-sdk")
    labelling = interface.LabelInterface((tmp_path / "labels.xml").read_text(encoding="utf-8"))
    labelling.validate()
    for task in tasks:
        assert labelling.validate_task({"data": task["data"]}) is True
        for prediction in task["predictions"]:
            assert labelling.validate_prediction(prediction) is True


def test_the_converter_of_label_studio_finds_every_region(
    tasks: list[dict[str, Any]], images: list[ImageFindings], findings: Findings, tmp_path: Path
) -> None:
    converter = pytest.importorskip("label_studio_sdk.converter", reason="needs label-studio-sdk")
    # Predictions that a person accepted are annotations.
    for number, task in enumerate(tasks):
        task |= {"id": number, "annotations": [{"id": number, "result": task.pop("predictions")[0]["result"]}]}
    (tmp_path / "accepted.json").write_text(json.dumps(tasks))
    made = converter.Converter(
        (tmp_path / "labels.xml").read_text(encoding="utf-8"), str(tmp_path), download_resources=False
    )
    made.convert_to_coco(str(tmp_path / "accepted.json"), str(tmp_path / "coco"), is_dir=False)
    content = json.loads((tmp_path / "coco/result.json").read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    assert sorted(names.values()) == sorted(findings.cluster_names)
    assert len(content["images"]) == len(images)
    ring = images[0]
    found = [each for each in content["annotations"] if each["image_id"] == content["images"][0]["id"]]
    assert [names[each["category_id"]] for each in found] == [region.cluster_name for region in ring.regions]
    for each, region in zip(found, ring.regions, strict=True):
        assert each["bbox"] == pytest.approx([region.x, region.y, region.width, region.height], abs=0.01)
