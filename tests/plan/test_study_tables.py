"""The rows of studies, and the files that they name."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from firstsight.plan.degraded import LEVELS
from firstsight.plan.loading import load_settings
from firstsight.plan.run import Plan, plan_run
from firstsight.plan.study_rows import stores_of_maps
from firstsight.plan.study_tables import STUDIES, plan_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A collection with masks, and one without."""
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 255, (20, 20)).astype(np.uint8)
        for name in (
            f"set/test/crack/{number}.png",
            f"set/ground_truth/crack/{number}_mask.png",
            f"plain/{number}.png",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(tmp_path / name)
    return tmp_path


def planned(folder: Path, **entry: Any) -> Plan:
    collections = {
        "set": {"path": str(folder / "set"), "images_per_job": 2, **entry},
        "plain": {"path": str(folder / "plain")},
        "later": {"path": str(folder / "plain"), "assign_to": "set"},
    }
    overrides = {"results": str(folder / "results"), "collections": collections}
    return plan_run(load_settings(ROOT / "config.yaml", overrides))


def below(folder: Path, paths: Any) -> list[str]:
    return [path.relative_to(folder / "results").as_posix() for path in paths]


def test_the_ablation_has_every_method_without_and_with_the_head(folder: Path) -> None:
    plan = planned(folder)
    rows = plan_study(plan, STUDIES["ablation"]).rows
    assert list(dict.fromkeys(row.collection for row in rows)) == ["set", "plain"], "nothing is learned from new images"
    own = [row for row in rows if row.collection == "set"]
    methods = plan.collections["set"].studies["ablation"].detectors
    assert [tuple(row.names.values()) for row in own] == [(name, head) for name in methods for head in (False, True)]
    last, blind = own[-1], methods["blind"]
    place = f"set/detectors/{blind.folder}"
    shards = list(plan.collections["set"].shards)
    assert len(shards) == 2
    assert below(folder, [last.metrics, last.clusters]) == [
        f"{place}/contrastive_kinds/metrics.parquet",
        f"{place}/contrastive_kinds/clusters.json",
    ]
    assert below(folder, last.records) == [
        f"{place}/model.run.json",
        *(f"set/features/{blind.features}/{shard}.run.json" for shard in shards),
        *(f"{place}/maps/{shard}.run.json" for shard in shards),
        f"{place}/decision.run.json",
        f"{place}/contrastive_kinds/clusters.run.json",
        f"{place}/contrastive_kinds/head.run.json",
        *(f"{place}/contrastive_kinds/described/{shard}.run.json" for shard in shards),
    ]
    assert below(folder, own[-2].records)[-3] == f"{place}/kinds/clusters.run.json"


def test_the_reference_table_has_what_learns_from_normal_images(folder: Path) -> None:
    assert plan_study(planned(folder), STUDIES["reference_table"]).rows == []
    study = plan_study(planned(folder, contaminated=True, features={"extractor": "laws"}), STUDIES["reference_table"])
    names = [(row.collection, *row.names.values()) for row in study.rows]
    assert names == [("set", name, False, pfam) for name in ("padim", "patchcore", "cfa") for pfam in (False, True)]
    assert "collections.set.detectors.cfa_sbm.sbm: laws has no weights that could be tuned" in study.set_aside


def test_the_comparison_has_new_images_too(folder: Path) -> None:
    plan = planned(folder)
    study = plan_study(plan, STUDIES["compare"])
    for name, collection in plan.collections.items():
        rows = [row for row in study.rows if row.collection == name]
        assert [row.detector for row in rows] == list(collection.studies["compare"].detectors)
        assert {row.metrics for row in rows} == {folder / f"results/{name}/comparison/localization.parquet"}
        assert list(stores_of_maps(plan.results, collection)) == [row.detector for row in rows]
    learned = next(row for row in study.rows if (row.collection, row.detector) == ("later", "blind"))
    assert below(folder, learned.records)[0].startswith("set/detectors/blind-"), "what it learned lies with the known"
    reads_image = next(row for row in study.rows if (row.collection, row.detector) == ("set", "spectral_residual"))
    assert all("/maps/" in path for path in below(folder, reads_image.records))
    assert below(folder, study.companions) == [
        "tables/disagreement.md",
        *(f"{name}/comparison/disagreement.png" for name in plan.collections),
    ]


def test_level_0_counts_for_every_degradation(folder: Path) -> None:
    plan = planned(folder)
    study = plan_study(plan, STUDIES["robustness"])
    detectors = sorted(plan.collections["set"].studies["compare"].detectors)
    assert [tuple(row.names.values()) for row in study.rows] == [
        (detector, degradation, level)
        for degradation in ("missing", "noise")
        for detector in detectors
        for level in LEVELS
    ]
    places = {(row.names["degradation"], row.names["level"]): row.metrics for row in study.rows}
    of_copy = "results/set/robustness/{}/comparison/localization.parquet".format
    assert places["noise", 0] == places["missing", 0] == folder / of_copy("noise-0")
    assert places["missing", 5] == folder / of_copy("missing-5")
    assert below(folder, study.companions) == ["set/robustness/curves.png"]
    assert plan_study(plan, STUDIES["robustness"], "plain").rows == []


def test_a_part_of_a_study_is_about_one_collection(folder: Path) -> None:
    plan = planned(folder)
    whole, part = (plan_study(plan, STUDIES["compare"], name) for name in (None, "plain"))
    assert part.rows == [row for row in whole.rows if row.collection == "plain"]
    assert len(part.files) == len(set(part.files))
    assert set(part.files) == {path for row in part.rows for path in row.files}
    assert pickle.loads(pickle.dumps(part.rows)) == part.rows
