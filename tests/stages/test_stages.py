"""The stages from images to metrics, called as functions on a shard of real files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import tifffile
from PIL import Image

from firstsight.clustering.thresholds import otsu_threshold
from firstsight.collections.masks import read_ignored
from firstsight.detectors.borders import level_borders
from firstsight.detectors.patch_settings import FcaSettings
from firstsight.detectors.patch_statistics import fca
from firstsight.detectors.registry import DETECTORS
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.cluster import cluster_collection
from firstsight.stages.describe import describe_shard
from firstsight.stages.detect import detect_anomalies
from firstsight.stages.evaluate import evaluate_collection, evaluate_maps
from firstsight.stages.features import extract_features
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.threshold import find_threshold
from firstsight.stages.truth import read_truth
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_maps import stored_maps
from firstsight.storage.tables import read_table
from scales import write_scale

LAWS = FeatureSettings(extractor="laws", weights=None, image_size="auto", dtype="float32", device="cpu")


def detect(out: Path, maps: str, patch_size: int, job: Job) -> None:
    """FCA on the features in a folder, its maps beside them."""
    detect_anomalies(
        source=out / "features.zarr",
        model=None,
        output=out / maps,
        method="fca",
        settings=FcaSettings(patch_size=patch_size).model_dump(),
        layers=["energy"],
        device="cpu",
        threads=1,
        job=job,
    )


def run_stages(
    pile: Path,
    out: Path,
    job: Job,
    *,
    crop: float = 0.0,
    masks: bool = True,
    ignored: Path | None = None,
    threshold: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """All stages of one shard, as the workflow runs them."""
    names = [f"{number}.png" for number in range(6)]
    known = {"missing": None, "problem": None, **({"ignored": str(ignored)} if ignored else {})}
    files = [{"image": name, "path": str(pile / name), **known} for name in names]
    make_manifest(
        files=files, collection="pile", shard="s", output=out / "images.parquet", members=out / "m.json", job=job
    )
    rows: list[dict[str, Any]] = [
        {
            "image": name,
            "label": "square" if number >= 2 else "good",
            "normal": number < 2,
            "masks": [str(pile / f"{number}_mask.tif")] if masks and 2 <= number < 5 else [],
            "remark": None,
        }
        for number, name in enumerate(names)
    ]
    sample = [{"mask": mask} for row in rows for mask in row["masks"]]
    read_truth(
        rows=rows,
        sample=sample,
        positive=None,
        manifest=out / "images.parquet",
        output=out / "truth.json",
        job=job,
    )
    extract_features(
        manifest=out / "images.parquet",
        scale=write_scale(out),
        output=out / "features.zarr",
        settings=LAWS.model_dump(),
        layers=["energy"],
        threads=1,
        job=job,
    )
    detect(out, "maps.zarr", 7, job)
    find_threshold(
        shards=[out / "maps.zarr"],
        output=out / "threshold.json",
        settings=threshold or {"method": "deviations"},
        seed=0,
        job=job,
    )
    describe_shard(
        maps=out / "maps.zarr",
        features=out / "features.zarr",
        threshold=out / "threshold.json",
        layers=["energy"],
        collection="pile",
        detector="fca",
        regions=out / "regions.parquet",
        scores=out / "scores.json",
        descriptors=out / "descriptors.npz",
        job=job,
    )
    cluster_collection(
        descriptors=[out / "descriptors.npz"],
        clusters=99,
        collection="pile",
        detector="fca",
        output=out / "clusters.parquet",
        summary=out / "clusters.json",
        scores=[out / "scores.json"],
        truths=[],
        oracle=False,
        regions=[out / "regions.parquet"],
        region_clusters=out / "region_clusters.parquet",
        kinds=out / "kinds.npz",
        job=job,
    )
    evaluate_collection(
        maps=[out / "maps.zarr"],
        manifests=[out / "images.parquet"],
        truths=[out / "truth.json"],
        descriptors=[out / "descriptors.npz"],
        scores=[out / "scores.json"],
        clusters=out / "clusters.parquet",
        crop=crop,
        collection="pile",
        detector="fca",
        fingerprint="0123456789",
        output=out / "metrics.parquet",
        job=job,
    )
    return {
        "images": read_table(out / "images.parquet").set_index("image"),
        "regions": read_table(out / "region_clusters.parquet"),
        "clusters": read_table(out / "clusters.parquet"),
        "metrics": read_table(out / "metrics.parquet"),
        "scores": json.loads((out / "scores.json").read_text())["rows"],
    }


def test_every_stage_does_its_part(pile: Path, tmp_path: Path, job: Job) -> None:
    found = run_stages(pile, tmp_path, job, crop=0.1)
    assert found["images"]["status"].eq("ok").tolist() == [True] * 5 + [False]
    assert json.loads((tmp_path / "m.json").read_text()) == [f"{number}.png" for number in range(6)]
    scores = pandas.DataFrame(found["scores"]).set_index("image")
    assert scores["score"].notna().tolist() == [True] * 5 + [False]
    assert scores.loc[["2.png", "3.png", "4.png"], "score"].min() > scores.loc[["0.png", "1.png"], "score"].max()
    metrics = found["metrics"].set_index(["metric", "crop"])
    assert metrics.loc[("image_auroc", 0.0), "value"] == 1
    assert metrics.loc[("auroc", 0.0), "value"] > 0.9
    assert metrics.loc[("pro", 0.0), ["n_images", "n_regions"]].tolist() == [5, 3]
    assert ("pro", 0.1) in metrics.index
    assert ("nmi", 0.1) not in metrics.index
    pixels = metrics.loc[["pro", "auroc", "average_precision", "f1_max"]]
    # They come from bins of scores, the value from all of them.
    assert pixels["value"].between(pixels["low"] - 1e-3, pixels["high"] + 1e-3).all()
    assert metrics.loc[("nmi", 0.0), ["low", "high"]].isna().all()
    assert len(found["clusters"]) == 5
    assert found["clusters"]["cluster"].max() == 1, "more clusters asked for than images: as many as hold two"
    assert found["clusters"]["n_clusters_from"].eq("given").all()
    assert found["regions"]["cluster_name"].notna().all()


def test_maps_are_those_of_the_detector(pile: Path, tmp_path: Path, job: Job) -> None:
    run_stages(pile, tmp_path, job)
    features = ShardReader(tmp_path / "features.zarr")
    for stored in stored_maps([tmp_path / "maps.zarr"])[:5]:
        layer = features.read(stored.key, "energy")
        low, high = layer.min((1, 2), keepdims=True), layer.max((1, 2), keepdims=True)
        expected = level_borders(fca((layer - low) / (high - low), patch_size=7), depth=8)
        np.testing.assert_allclose(stored.cells(), expected.numpy(), rtol=1e-4, atol=1e-6)
        assert stored.pixels().shape == (128, 160)


@pytest.mark.parametrize("method", ["fca", "spectral_residual"])
def test_what_is_missing_is_not_anomalous(method: str, tmp_path: Path, job: Job) -> None:
    """A hole marked by a mask, by NaN or by alpha: the same map, quiet where the hole is."""
    values = np.random.default_rng(0).integers(0, 255, (96, 120)).astype(np.uint8)
    hole = np.zeros((96, 120), bool)
    hole[30:70, 40:90] = True
    Image.fromarray(values).save(tmp_path / "masked.png")
    Image.fromarray(hole).save(tmp_path / "hole.png")
    Image.fromarray(np.stack([values, ~hole * np.uint8(255)], axis=2), "LA").save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "nan.tif", np.where(hole, np.nan, values / np.float32(255)).astype(np.float32))
    files = [
        {"image": name, "path": str(tmp_path / name), "missing": missing, "problem": None}
        for name, missing in {"masked.png": str(tmp_path / "hole.png"), "alpha.png": None, "nan.tif": None}.items()
    ]
    make_manifest(
        files=files, collection="pile", shard="s", output=tmp_path / "images.parquet", members=tmp_path / "m", job=job
    )
    assert set(read_table(tmp_path / "images.parquet")["status"]) == {"ok"}
    extract_features(
        manifest=tmp_path / "images.parquet",
        scale=write_scale(tmp_path),
        output=tmp_path / "features.zarr",
        settings=LAWS.model_dump(),
        layers=["energy"],
        threads=1,
        job=job,
    )
    detect_anomalies(
        source=tmp_path / ("features.zarr" if method == "fca" else "images.parquet"),
        model=None,
        output=tmp_path / "maps.zarr",
        method=method,
        settings=DETECTORS[method].settings().model_dump(),
        layers=["energy"],
        device="cpu",
        threads=1,
        job=job,
    )
    maps = [stored.pixels() for stored in stored_maps([tmp_path / "maps.zarr"])]
    assert len(maps) == 3
    for found in maps:
        np.testing.assert_allclose(found, maps[0], atol=1e-6)
        assert np.isfinite(found).all()
        assert found[40:60, 50:80].max() <= np.median(found[~hole]) * 1.1


def test_maps_alone_have_the_metrics_that_they_have_with_kinds(pile: Path, tmp_path: Path, job: Job) -> None:
    both = run_stages(pile, tmp_path, job, crop=0.1)["metrics"]
    evaluate_maps(
        maps=[tmp_path / "maps.zarr"],
        manifests=[tmp_path / "images.parquet"],
        truths=[tmp_path / "truth.json"],
        crop=0.1,
        collection="pile",
        detector="fca",
        fingerprint="0123456789",
        output=tmp_path / "localization.parquet",
        job=job,
    )
    columns = ["metric", "crop", "value", "n_images", "n_regions"]
    found = read_table(tmp_path / "localization.parquet")
    assert found["low"].isna().all()
    expected = both.loc[both["crop"].eq(0.1), columns].reset_index(drop=True)
    pandas.testing.assert_frame_equal(found[columns], expected)


def test_ignored_pixels_are_in_no_region_and_no_metric(pile: Path, tmp_path: Path, job: Job) -> None:
    # The square of one image lies there, and parts of those of the others.
    edge = 106
    ignored = np.zeros((128, 160), bool)
    ignored[:, :edge] = True
    Image.fromarray(ignored).save(tmp_path / "edge.png")
    (tmp_path / "all").mkdir()
    whole = run_stages(pile, tmp_path / "all", job)
    (tmp_path / "part").mkdir()
    part = run_stages(pile, tmp_path / "part", job, ignored=tmp_path / "edge.png")
    assert part["images"]["ignored"].eq(str(tmp_path / "edge.png")).all()
    assert whole["regions"]["x"].lt(edge).any()
    assert part["regions"]["x"].ge(edge).all()
    found, before = (tables["metrics"].set_index("metric") for tables in (part, whole))
    assert (before.loc["pro", "n_regions"], found.loc["pro", "n_regions"]) == (3, 2)
    for stored in stored_maps([tmp_path / "part/maps.zarr"])[:5]:
        marked = read_ignored(stored.ignored)
        assert marked is not None
        np.testing.assert_array_equal(marked, ignored)


def test_labels_without_masks_give_metrics_of_images_and_clusters(pile: Path, tmp_path: Path, job: Job) -> None:
    metrics = run_stages(pile, tmp_path, job, masks=False)["metrics"]
    assert set(metrics["metric"]) == {
        "image_auroc", "nmi", "ari", "matched_f1", "nmi_oracle", "ari_oracle", "matched_f1_oracle"
    }  # fmt: skip
    assert metrics["value"].between(0, 1).all()


def test_every_image_may_be_parted_by_otsus_threshold_of_its_own(pile: Path, tmp_path: Path, job: Job) -> None:
    found = run_stages(pile, tmp_path, job, threshold={"method": "otsu", "scores": "image"})
    own = {stored.image: otsu_threshold(stored.cells().ravel()) for stored in stored_maps([tmp_path / "maps.zarr"])[:5]}
    rows = {row["image"]: row for row in found["scores"]}
    for image, threshold in own.items():
        assert rows[image]["threshold"] == pytest.approx(threshold)
        assert rows[image]["anomalous_area"] > 0
    assert len(set(own.values())) == len(own)


def test_an_image_smaller_than_a_patch_has_a_status(pile: Path, tmp_path: Path, job: Job) -> None:
    run_stages(pile, tmp_path, job)
    detect(tmp_path, "large.zarr", 41, job)
    statuses = [stored.status for stored in stored_maps([tmp_path / "large.zarr"])]
    assert all(status.startswith("fca: ") for status in statuses[:5])
    find_threshold(
        shards=[tmp_path / "large.zarr"],
        output=tmp_path / "none.json",
        settings={"method": "deviations"},
        seed=0,
        job=job,
    )
    assert json.loads((tmp_path / "none.json").read_text())["threshold"] is None
