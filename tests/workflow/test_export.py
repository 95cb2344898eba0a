"""`snakemake export`, of a collection in an HDF5 file: what other programs read is what the tables say."""

import contextlib
import json
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import tifffile
from PIL import Image
from pycocotools.coco import COCO

from firstsight.storage.stored_maps import stored_maps
from running import LAWS, run

N_IMAGES = 6


def make_pile(path: Path) -> None:
    """An HDF5 file with images of two sizes in a group: noise with a square; and one that holds a NaN."""
    with h5py.File(path, "w") as file:
        for seed in range(N_IMAGES):
            values = np.random.default_rng(seed).integers(60, 200, (96, 120 + seed % 2)).astype(np.uint8)
            values[30:50, 40 : 60 + seed] = 250 if seed % 3 else 20
            file[f"tiles/{seed}"] = values
        file["tiles/broken"] = np.full((96, 120), np.nan)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    make_pile(folder / "pile.h5")
    # A detector that reads the images themselves, so that they are read for features and for maps.
    # A threshold that marks something in most images, so that there are regions to export.
    config = {
        "collections": {"pile": {"path": "pile.h5:/tiles"}},
        "detectors": {"spectral_residual": {}},
        "threshold": {"method": "deviations"},
        **LAWS,
    }
    done = run(folder, "export", config=config)
    assert done.returncode == 0, done.stderr
    return folder / "results"


@pytest.fixture
def exported(results: Path) -> Path:
    return next((results / "exports/pile").iterdir())


def test_a_folder_carries_the_fingerprint_of_its_detector(exported: Path, results: Path) -> None:
    assert (results / "pile/detectors" / exported.name / "maps").is_dir()
    formats = {path.name for path in exported.iterdir() if path.is_dir()}
    assert formats == {"coco", "masks", "tiff", "hdf5", "label_studio", "embedding_atlas"}


def test_all_formats_agree_with_the_table_of_regions(exported: Path, results: Path) -> None:
    regions = pandas.read_parquet(next((results / "pile/detectors").glob("*/kinds/regions.parquet")))
    maps = {each.image: each for each in stored_maps(sorted((results / "pile/detectors").glob("*/maps/*.zarr.zip")))}
    with contextlib.redirect_stdout(None):
        coco = COCO(exported / "coco/annotations/instances_default.json")
    tasks = json.loads((exported / "label_studio/tasks.json").read_text())
    entries = coco.loadImgs(coco.getImgIds())
    assert [entry["image"] for entry in entries] == [f"tiles/{seed}" for seed in range(N_IMAGES)]
    with h5py.File(exported / "hdf5/maps.h5") as file:
        for number, (entry, task) in enumerate(zip(entries, tasks, strict=True)):
            name, own = entry["image"], regions[regions["image"].eq(entry["image"])]
            with Image.open(exported / f"coco/images/default/{name}.png") as picture:
                assert picture.size == (entry["width"], entry["height"])
            mask = np.asarray(Image.open(exported / f"masks/{name}.png")) > 0
            assert mask.shape == (entry["height"], entry["width"]) == (96, 120 + number % 2)
            annotations = coco.loadAnns(coco.getAnnIds(imgIds=[entry["id"]]))
            assert [each["area"] for each in annotations] == own["area"].tolist()
            drawn = sum((coco.annToMask(each).astype(int) for each in annotations), np.zeros(mask.shape, int))
            np.testing.assert_array_equal(drawn, mask)
            np.testing.assert_array_equal(file[f"masks/{number:06d}"][:], mask)
            pixels = maps[name].pixels()
            np.testing.assert_array_equal(tifffile.imread(exported / f"tiff/{name}.tif"), pixels)
            np.testing.assert_array_equal(file[f"maps/{number:06d}"][:], pixels)
            called = {result["value"]["polygonlabels"][0] for result in task["predictions"][0]["result"]}
            assert called == set(own["cluster_name"])
    assert len(regions) >= N_IMAGES
    drawn_by_likeness = pandas.read_parquet(exported / "embedding_atlas/images.parquet")
    assert drawn_by_likeness["image"].tolist() == [f"tiles/{seed}" for seed in range(N_IMAGES)]
    assert drawn_by_likeness["regions"].sum() == len(regions)


def test_paths_are_addresses(results: Path) -> None:
    images = pandas.concat(map(pandas.read_parquet, (results / "pile/shards").glob("*/images.parquet")))
    statuses = images.set_index("path")["status"]
    assert statuses.loc["pile.h5:/tiles/3[...]"] == "ok"
    assert statuses.loc["pile.h5:/tiles/broken[...]"].startswith("every pixel is missing")


def test_what_was_set_aside_is_counted_in_the_log(results: Path) -> None:
    for log in (results / "logs/pile").glob("*/export/*.log"):
        assert "1 of 7 images were set aside" in log.read_text()
