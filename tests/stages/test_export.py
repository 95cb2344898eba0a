"""The stage export on a store of maps, its masks against the regions of the table."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas
import pytest
from PIL import Image

from firstsight.clustering.decision import Decision
from firstsight.clustering.regions import find_image_regions
from firstsight.stages.export import export_collection
from firstsight.stages.job import Job
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter
from firstsight.storage.table_schemas import SCHEMAS
from firstsight.storage.tables import write_table

LIMIT = 0.8
PLACE = Geometry(height=50, width=70, input_height=50, input_width=70, stride=4, offset=1.5)
NAMES = {"collection": "pile", "detector": "fca"}


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Any]:
    """Two shards with three maps and an image without one; regions of two clusters and of none."""
    random = np.random.default_rng(0)
    maps = {name: random.random((13, 18)).astype(np.float32) for name in ("c.png", "a.png", "d.png")}
    for shard, names in {"one": ["c.png", "broken.png"], "two": ["a.png", "d.png"]}.items():
        with ShardWriter(tmp_path / f"{shard}.zarr", dtype="float32") as writer:
            for name in names:
                attributes: dict[str, Any] = {"image": name, "status": "damaged PNG file"}
                if name in maps:
                    attributes |= {"status": "ok", "geometry": asdict(PLACE)}
                writer.add(name, name, {"map": maps[name]} if name in maps else {}, attributes)
    (tmp_path / "threshold.json").write_text(json.dumps({"threshold": LIMIT}))
    rows = []
    for name, cells in maps.items():
        for index, region in enumerate(find_image_regions(cells, PLACE, Decision(LIMIT)).regions):
            cluster, called = [(1, "cluster 1"), (None, None), (0, "cluster 0")][index % 3]
            rows.append({**NAMES, "image": name, **vars(region), "cluster": cluster, "cluster_name": called})
    write_table(tmp_path / "regions.parquet", "regions", rows)
    images = [
        {
            **NAMES,
            "image": name,
            "cluster": number,
            "cluster_name": f"cluster {number}",
            "distance": 0.5,
            "silhouette": None,
            "is_medoid": True,
            "n_clusters_from": "estimated",
            "support": None,
        }
        for number, name in enumerate(["a.png", "c.png"])
    ]
    write_table(tmp_path / "clusters.parquet", "clusters", images)
    write_table(
        tmp_path / "images.parquet",
        "images",
        [
            dict.fromkeys(SCHEMAS["images"].names)
            | {"collection": "pile", "image": name, "path": str(tmp_path / name), "status": "ok"}
            for name in ("c.png", "broken.png", "a.png", "d.png")
        ],
    )
    (tmp_path / "charts.json").write_text(json.dumps({key: [] for key in ("images", "points", "near", "distances")}))
    return {
        "manifests": [tmp_path / "images.parquet"],
        "charts": tmp_path / "charts.json",
        "maps": [tmp_path / "one.zarr", tmp_path / "two.zarr"],
        "threshold": tmp_path / "threshold.json",
        "regions": tmp_path / "regions.parquet",
        "clusters": tmp_path / "clusters.parquet",
        "method": "fca",
        "settings": {"patch_size": 9},
        "fingerprint": "0123456789",
        **NAMES,
    }


def test_masks_are_the_regions_of_the_table(inputs: dict[str, Any], tmp_path: Path, job: Job) -> None:
    export_collection(**inputs, format="masks", output=tmp_path / "masks", job=job)
    regions = pandas.read_parquet(inputs["regions"])
    with open(tmp_path / "masks/images.csv", encoding="utf-8", newline="") as file:
        files = {row["image"]: row["file"] for row in csv.DictReader(file)}
    assert list(files) == ["a.png", "c.png", "d.png"], "by name, whatever shard they are in"
    for image, name in files.items():
        with Image.open(tmp_path / "masks" / name) as picture:
            mask = np.asarray(picture) > 0
        own = regions[regions["image"].eq(image)]
        assert mask.shape == (PLACE.height, PLACE.width)
        assert mask.sum() == own["area"].sum() > 0
        for row in own.to_dict("records"):
            assert mask[row["y"] : row["y"] + row["height"], row["x"] : row["x"] + row["width"]].any()
    assert job.n_images == 3
    assert "1 of 4 images were set aside" in job.log.getvalue()  # type: ignore[attr-defined]


def test_ignored_pixels_are_nan_in_maps_and_in_no_region(inputs: dict[str, Any], tmp_path: Path, job: Job) -> None:
    ignored = np.zeros((PLACE.height, PLACE.width), np.uint8)
    ignored[:, :9] = 255
    Image.fromarray(ignored).save(tmp_path / "edge.png")
    cells = np.zeros((13, 18), np.float32)
    cells[4:8, :10] = 1
    place = {"geometry": asdict(PLACE), "ignored": str(tmp_path / "edge.png")}
    with ShardWriter(tmp_path / "marked.zarr", dtype="float32") as writer:
        writer.add("c.png", "c.png", {"map": cells}, {"image": "c.png", "status": "ok", **place})
    export_collection(
        **{**inputs, "maps": [tmp_path / "marked.zarr"]}, format="hdf5", output=tmp_path / "hdf5", job=job
    )
    with h5py.File(tmp_path / "hdf5/maps.h5") as file:
        np.testing.assert_array_equal(np.isnan(file["maps/000000"][:]), ignored > 0)
        regions = file["masks/000000"][:] > 0
    assert regions.any()
    assert not regions[ignored > 0].any()


def test_clusters_have_their_names(inputs: dict[str, Any], tmp_path: Path, job: Job) -> None:
    names = tmp_path / "names.csv"
    names.write_text("collection,detector,medoid,name\npile,fca,c.png,crack\n")
    export_collection(**inputs, format="coco", output=tmp_path / "coco", names=names, job=job)
    content = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())
    called = {category["id"]: category["name"] for category in content["categories"]}
    assert list(called.values()) == ["cluster 0", "crack", "unsorted"]
    found = {(each["cluster"], called[each["category_id"]]) for each in content["annotations"]}
    assert found == {(0, "cluster 0"), (1, "crack"), (None, "unsorted")}
    # The images themselves are not there any more.
    assert not list((tmp_path / "coco/images/default").iterdir())
    assert "c.png: its picture is left out (no such file)" in job.log.getvalue()  # type: ignore[attr-defined]
    assert len(content["annotations"]) == len(pandas.read_parquet(inputs["regions"]))

    export_collection(**inputs, format="hdf5", output=tmp_path / "hdf5", names=names, job=job)
    with h5py.File(tmp_path / "hdf5/maps.h5") as file:
        assert file["cluster_name"].asstr()[:].tolist() == ["cluster 0", "crack", "unsorted"]


@pytest.mark.parametrize("format", ["coco", "masks", "tiff", "hdf5", "label_studio"])
def test_a_collection_without_a_map(inputs: dict[str, Any], tmp_path: Path, job: Job, format: str) -> None:
    with ShardWriter(tmp_path / "none.zarr", dtype="float32") as writer:
        writer.add("a", "a", {}, {"image": "a.png", "status": "no such file"})
    inputs["threshold"].write_text(json.dumps({"threshold": None}))
    write_table(inputs["regions"], "regions", [])
    write_table(inputs["clusters"], "clusters", [])
    export_collection(**{**inputs, "maps": [tmp_path / "none.zarr"]}, format=format, output=tmp_path / "out", job=job)
    assert list((tmp_path / "out").iterdir())
    assert not list(tmp_path.glob("*.partial"))


def test_regions_that_a_person_left_out_are_not_exported(inputs: dict[str, Any], tmp_path: Path, job: Job) -> None:
    regions = pandas.read_parquet(inputs["regions"])
    first = regions[regions["image"].eq("a.png")].iloc[0]
    box = ",".join(str(first[column]) for column in ("x", "y", "width", "height"))
    said = tmp_path / "verdicts.csv"
    said.write_text(
        "collection,detector,image,x,y,width,height,verdict,name\n"
        f"pile,fca,a.png,{box},normal,\npile,fca,c.png,,,,,not of interest,\n"
    )
    export_collection(**inputs, verdicts=said, format="coco", output=tmp_path / "coco", job=job)
    content = json.loads((tmp_path / "coco/annotations/instances_default.json").read_text())
    names = {image["id"]: image["image"] for image in content["images"]}
    found = [(names[each["image_id"]], each["region"]) for each in content["annotations"]]
    expected = regions[regions["image"].ne("c.png") & ~regions.index.isin([first.name])]
    assert sorted(found) == sorted(zip(expected["image"], expected["region"], strict=True))
    export_collection(**inputs, verdicts=said, format="masks", output=tmp_path / "masks", job=job)
    with Image.open(tmp_path / "masks/c.png.png") as mask:
        assert not np.asarray(mask).any()
