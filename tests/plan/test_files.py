"""Patterns of paths, filled in with what is planned."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from firstsight.plan.files import collections_of_page, everywhere, of_references, parts_of_images, records
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import paths_below
from firstsight.plan.run import Plan, plan_run

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path("nowhere/results")
PATHS = paths_below(RESULTS)


def plan(folder: Path, **config: Any) -> Plan:
    overrides = {"results": str(RESULTS), "images_per_job": 2, **config}
    return plan_run(load_settings(ROOT / "config.yaml", overrides))


@pytest.fixture
def tiles(tmp_path: Path) -> dict[str, Any]:
    """Collections of three images: one with normal images beside it, one compared with it."""
    for name in ("tiles", "normal", "later"):
        (tmp_path / name).mkdir()
        for number in range(3):
            values = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
            Image.fromarray(values).save(tmp_path / f"{name}/{number}.png")
    return {
        "tiles": {"path": str(tmp_path / "tiles"), "reference": str(tmp_path / "normal")},
        "later": {"path": str(tmp_path / "later"), "assign_to": "tiles"},
    }


def test_a_path_for_every_collection_shard_and_detector(tmp_path: Path, tiles: dict[str, Any]) -> None:
    planned = plan(tmp_path, collections=tiles, detectors={"fca": {}, "padim": {}})
    paths = everywhere(planned, PATHS.maps)
    assert len(paths) == len(set(paths)) == 2 * 2 * 2
    assert paths[0].startswith("nowhere/results/tiles/detectors/fca-")
    assert len(everywhere(planned, PATHS.manifest)) == 4, "a shard's images are the same for all detectors"
    assert len(everywhere(planned, PATHS.threshold)) == 4, "a threshold for every collection and detector"
    assert len(everywhere(planned, PATHS.features)) == 4, "both detectors read the same features"
    only_padim = everywhere(planned, PATHS.maps, only=lambda collection, detector: detector.name == "padim")
    assert only_padim == [path for path in paths if "/padim-" in path]
    new = everywhere(planned, PATHS.clusters, only=lambda collection, detector: collection.is_new)
    assert [path.split("/")[2] for path in new] == ["later", "later"]
    assert all(path.endswith("/kinds/clusters.parquet") for path in new)


def test_parts_of_images_lie_where_the_jobs_of_shards_write_them(tmp_path: Path, tiles: dict[str, Any]) -> None:
    planned = plan(tmp_path, collections=tiles, detectors={"fca": {}, "padim": {}})
    parts = parts_of_images(planned, PATHS)
    assert [part.collection for part in parts] == ["tiles", "later"]
    assert [str(path) for part in parts for path in part.manifests] == everywhere(planned, PATHS.manifest)
    assert [str(path) for part in parts for path in part.truths] == everywhere(planned, PATHS.truth)
    assert {path for part in parts for path in part.files} == {
        Path(path)
        for pattern in (PATHS.manifest, PATHS.truth, PATHS.contents, PATHS.scores)
        for path in everywhere(planned, pattern)
    }
    assert all(list(part.scores) == ["fca", "padim"] and all(part.scores.values()) for part in parts)


def test_what_is_learned_from_has_records_of_its_own(tmp_path: Path, tiles: dict[str, Any]) -> None:
    planned = plan(tmp_path, collections=tiles, detectors={"fca": {}, "padim": {}})
    references = of_references(planned, PATHS.manifest_record)
    shards = planned.collections["tiles"].reference_shards
    assert references == [f"nowhere/results/tiles/shards/{shard}/manifest.run.json" for shard in shards]
    rows = records(planned, PATHS)
    assert len(rows) == len(set(rows))
    assert set(references) < set(rows)
    assert [path.split("/")[2] for path in rows if path.endswith("model.run.json")] == ["tiles"]
    assert not [path for path in rows if path.endswith("head.run.json")]
    assert of_references(plan(tmp_path, collections=tiles, detectors={"fca": {}}), PATHS.manifest_record) == []


def test_the_contrastive_head_belongs_to_the_known_collection(tmp_path: Path, tiles: dict[str, Any]) -> None:
    planned = plan(tmp_path, collections=tiles, detectors={"fca": {}}, clustering={"contrastive": True})
    heads = [path for path in records(planned, PATHS) if path.endswith("/contrastive_kinds/head.run.json")]
    assert [path.split("/")[2] for path in heads] == ["tiles"]
    assert all("/contrastive_kinds/" in path for path in everywhere(planned, PATHS.scores))


def test_the_page_is_told_where_its_files_lie(tmp_path: Path, tiles: dict[str, Any]) -> None:
    planned = plan(tmp_path, collections=tiles, detectors={"padim": {}})
    known, new = collections_of_page(planned, PATHS)
    assert (known["name"], new["name"]) == ("tiles", "later")
    assert known["remarks"] == []
    assert known["truth"].startswith("nowhere/results/tiles/shards/")
    (of_known,), (of_new,) = known["detectors"], new["detectors"]
    assert of_new["threshold"].startswith("nowhere/results/later/detectors/padim-")
    assert of_new["clusters"].endswith("/kinds/clusters.json")
    assert of_new["model"] == of_known["model"], "new images are searched with the model of the known collection"
    assert of_known["model"].startswith("nowhere/results/tiles/")
    assert "None" not in of_known["settings"]
