"""The default run, as a user gets it from two commands."""

import base64
import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import zarr
from PIL import Image

from firstsight.clustering.thresholds import anomaly_threshold
from firstsight.collections.demo import DEFECTS
from firstsight.features.registry import EXTRACTORS
from firstsight.reports.picture_files import PLACES, read_picture
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_maps import stored_maps
from running import TABLES, read_tables, run

COLLECTIONS = ["demo_brick", "demo_grass", "demo_gravel"]
BY_IMAGE = {"auroc_by_image", "average_precision_by_image"}
LOCALIZATION = {"pro", "auroc", "average_precision", "f1_max", "image_auroc", *BY_IMAGE}
CLUSTERING = {"nmi", "ari", "matched_f1", "nmi_oracle", "ari_oracle", "matched_f1_oracle"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the demo has run from start to end."""
    folder = tmp_path_factory.mktemp("demo")
    done = run(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def tables(demo: Path) -> dict[str, pandas.DataFrame]:
    return read_tables(demo / "results")


def test_every_image_has_a_row_and_a_map(demo: Path, tables: dict[str, pandas.DataFrame]) -> None:
    images = tables["images"]
    assert sorted(images["collection"].unique()) == COLLECTIONS
    assert len(images) == 63
    assert set(images["status"]) == {"ok"}
    assert images["blind_score"].notna().all()
    assert images["is_texture"].all()
    assert images["texture_score"].between(1, 2).all()
    assert images["sha256"].str.fullmatch("[0-9a-f]{64}").all()
    assert {"good", "crack", "stain", "patch"} <= set(images["label"])
    shards = sorted((demo / "results").glob("*/detectors/blind-*/maps/*.zarr.zip"))
    maps = stored_maps(shards)
    assert sorted(each.image for each in maps) == sorted(images["image"])
    for each in maps:
        assert each.cells().dtype == np.float32
        assert np.isfinite(each.cells()).all()
        assert each.pixels().shape == (256, 256)


def test_metrics_lie_in_their_range_and_the_detector_sees_something(tables: dict[str, pandas.DataFrame]) -> None:
    metrics = tables["metrics"]
    for collection in COLLECTIONS:
        values = metrics[metrics["collection"].eq(collection)].set_index("metric")["value"]
        assert set(values.index) == LOCALIZATION | CLUSTERING
        assert values.between(0, 1).all()
        assert values["auroc"] > 0.6
        assert values["nmi"] > 0.5
    assert set(metrics["crop"]) == {0.0}


# In brick the short joints between bricks are rarer than the mortar along them, and stand out like a defect.
@pytest.mark.parametrize("collection", ["demo_grass", "demo_gravel"])
def test_every_kind_of_defect_is_found(demo: Path, tables: dict[str, pandas.DataFrame], collection: str) -> None:
    metrics = tables["metrics"][tables["metrics"]["collection"].eq(collection)].set_index("metric")["value"]
    assert metrics["image_auroc"] > 0.9
    assert metrics["pro"] > 0.9
    images = tables["images"][tables["images"]["collection"].eq(collection)].set_index("image")
    maps = stored_maps(sorted((demo / "results" / collection).glob("detectors/blind-*/maps/*.zarr.zip")))
    cells = [stored.cells() for stored in maps]
    threshold = anomaly_threshold(
        np.concatenate([each.ravel() for each in cells]), image_maxima=np.array([each.max() for each in cells])
    )
    hits = dict.fromkeys(DEFECTS, 0)
    for stored in maps:
        row: Any = images.loc[stored.image]
        if row["label"] in hits:
            with Image.open(demo / row["mask"]) as mask:
                hits[row["label"]] += int((np.asarray(mask) > 0)[stored.pixels() > threshold].any())
    assert min(hits.values()) > 0, hits


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_no_good_image_has_a_region_and_clear_defects_have(
    tables: dict[str, pandas.DataFrame], collection: str
) -> None:
    images = tables["images"][tables["images"]["collection"].eq(collection)]
    has_region = images["blind_anomalous_area"].gt(0)
    assert not has_region[images["label"].eq("good")].any()
    assert has_region.equals(images["blind_p_value"].lt(0.05))
    # Nine of 21 images are anomalous, so little is known of the normal ones. What is faint is not told from them.
    clear = {"demo_brick": ["crack", "patch"], "demo_grass": ["patch"], "demo_gravel": sorted(DEFECTS)}[collection]
    assert has_region[images["label"].isin(clear)].all()


def test_regions_lie_on_their_images(tables: dict[str, pandas.DataFrame]) -> None:
    regions = tables["regions"]
    assert len(regions) > 10
    assert (regions["x"] + regions["width"]).le(256).all()
    assert (regions["y"] + regions["height"]).le(256).all()
    highest = regions.groupby(["collection", "image"])["score_max"].max()
    thresholds = tables["images"].set_index(["collection", "image"])["blind_threshold"]
    # A peak between the centres of pixels is cut off a little.
    assert (highest > 0.95 * thresholds.loc[highest.index]).all()
    areas = regions.groupby(["collection", "image"])["area"].sum()
    stated = tables["images"].set_index(["collection", "image"])["blind_anomalous_area"]
    assert (areas == stated.loc[areas.index]).all()
    assert regions["cluster"].notna().all()


def test_every_cluster_has_one_medoid(tables: dict[str, pandas.DataFrame]) -> None:
    clusters = tables["clusters"]
    assert len(clusters) == len(tables["images"])
    clusters = clusters[clusters["cluster"].ge(0)]
    assert (clusters.groupby(["collection", "cluster"])["is_medoid"].sum() == 1).all()


def test_runs_say_what_was_done(demo: Path, tables: dict[str, pandas.DataFrame]) -> None:
    runs = tables["runs"]
    assert {"manifest", "features", "detect", "threshold", "describe", "cluster", "evaluate", "truth"} <= set(
        runs["rule"]
    )
    assert (runs["seconds"] > 0).all()
    assert all("torch" in json.loads(versions) for versions in runs["versions"])
    assert runs["machine"].ne("").all()
    folders = {path.name for path in (demo / "results").glob("*/detectors/*")}
    assert {f"blind-{each}" for each in runs[runs["rule"].eq("detect")]["fingerprint"]} == folders
    for collection, detector, config in zip(runs["collection"], runs["detector"], runs["config"], strict=True):
        settings = json.loads(config)
        assert settings["texture"] == collection.removeprefix("demo_")
        assert settings["features"]["extractor"] == "efficientnet_lite0", "a default is filled in"
        assert settings["features"]["weights"] == "efficientnet-lite0-57934424.pth"
        assert list(settings.get("detectors", {})) == ([detector] if detector else [])
    steps = json.loads(runs[runs["rule"].eq("features")]["seconds_by_step"].iloc[0])
    assert {"load", "extract", "write"} <= set(steps)


def test_features_are_stored_in_float16(demo: Path) -> None:
    store = next((demo / "results").glob("demo_gravel/features/efficientnet_lite0-*/*.zarr.zip"))
    reader = ShardReader(store)
    sizes = {name: 384 // layer.stride for name, layer in EXTRACTORS["efficientnet_lite0"].layers.items()}
    layers = {
        name: array
        for _, group in zarr.open_group(zarr.storage.ZipStore(store), mode="r").groups()
        for name, array in group.arrays()
    }
    assert layers
    assert all(array.dtype == "float16" for array in layers.values())
    assert all(reader.read(reader.keys()[0], layer).shape[1:] == (sizes[layer],) * 2 for layer in layers)


def test_the_page_has_every_image_with_its_pictures(demo: Path, tables: dict[str, pandas.DataFrame]) -> None:
    reports = demo / "results/reports"
    assert (reports / "index.html").is_file()
    names = []
    for place, collection in enumerate(COLLECTIONS):
        text = (reports / f"data/images-{place}-0.js").read_text(encoding="ascii")
        columns = json.loads(text.removeprefix("firstsight.images(").removesuffix(");\n"))["columns"]
        names += columns["image"]
        found = (demo / f"results/{collection}/detectors").glob("blind-*/pictures/*")
        (overlays,) = [path for path in found if path.is_dir()]
        assert len(list(overlays.iterdir())) <= 26
        for name in columns["image"]:
            for layer in PLACES:
                with Image.open(BytesIO(read_picture(overlays, name, layer))) as image:
                    assert image.size == (256, 256)
    assert sorted(names) == sorted(tables["images"]["image"])


def test_nothing_half_written_is_left(demo: Path) -> None:
    assert not [path for path in (demo / "results").rglob("*") if "partial" in path.name or path.name.endswith(".part")]


def test_a_second_run_does_nothing(demo: Path) -> None:
    before = {name: (demo / f"results/tables/{name}.parquet").stat().st_mtime_ns for name in TABLES}
    again = run(demo)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stderr + again.stdout
    assert before == {name: (demo / f"results/tables/{name}.parquet").stat().st_mtime_ns for name in TABLES}


def test_where_dask_runs_is_no_reason_to_run_again(demo: Path) -> None:
    plan = run(demo, "--dry-run", config={"dask": {"scheduler": "slurm", "workers": 3}})
    assert "Nothing to be done" in plan.stdout, plan.stdout + plan.stderr


def test_the_report_of_snakemake_has_the_page_and_the_tables_with_captions(demo: Path) -> None:
    done = run(demo, "--report", "report.html")
    assert done.returncode == 0, done.stderr
    report = (demo / "report.html").read_text()
    assert "Most anomalous images, clusters, metrics" in report
    # It holds the file with its pictures inside, byte for byte.
    assert base64.b64encode((demo / "results/reports/findings.html").read_bytes()).decode() in report
    assert "which machine and with" in report
    assert all(f"results/tables/{table}.parquet" in report for table in TABLES)
    assert "results/reports/index.html" in report


def test_the_collections_may_have_kinds_in_common(demo: Path) -> None:
    two = {"clustering": {"across": [["demo_gravel", "demo_grass"]]}}
    done = run(demo, config=two)
    assert done.returncode == 0, done.stderr
    results = demo / "results"
    rows = pandas.read_parquet(results / "tables/group_clusters.parquet")
    assert set(rows["group"]) == {"demo_grass+demo_gravel"}
    kinds = rows[rows["cluster"].gt(0) & rows["region"].isna()]
    assert set(kinds["collection"]) == {"demo_grass", "demo_gravel"}
    matrix = pandas.read_parquet(results / "tables/kinds_by_collection.parquet")
    assert matrix.groupby("collection")["share"].sum().tolist() == pytest.approx([1, 1])
    metrics = pandas.read_parquet(results / "tables/group_metrics.parquet").set_index("metric")["value"]
    assert metrics["nmi"] > 0.3
    assert metrics["nmi_with_collection"] < 0.5
    assert 'href="groups/index.html"' in (results / "reports/index.html").read_text()
    assert "demo_grass" in (results / "reports/groups/index.html").read_text()

    learning = {"clustering": {**two["clustering"], "learn_across": True}}
    planned = run(demo, "--dry-run", config=learning).stdout
    learned = re.findall(r"^rule fit:\n    input: (.*)$", planned, re.MULTILINE)
    assert sorted(len(set(re.findall(r"demo_\w+", files))) for files in learned) == [2, 2], "brick is in no group"

    turned = {"clustering": {"across": [["demo_grass", "demo_gravel"]]}}
    assert "Nothing to be done" in run(demo, "--dry-run", config=turned).stdout, "their order does not matter"
    plan = run(demo, "--dry-run", config={"clustering": {"across": [["demo_grass", "demo_gravel", "demo_brick"]]}})
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", plan.stdout, re.MULTILINE)}
    grown = {"normal_cells": 1, "cluster_group": 1, "group_tables": 1, "group_page": 1, "all": 1, "total": 5}
    assert jobs == grown, "another collection costs its own jobs and the last steps of the group"
