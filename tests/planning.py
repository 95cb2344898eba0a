"""Planning a run on a folder of small images, for the tests of the plan."""

from pathlib import Path
from typing import Any

from firstsight.plan.collections import CollectionPlan
from firstsight.plan.loading import load_settings
from firstsight.plan.run import plan_run

ROOT = Path(__file__).resolve().parents[1]


def plan(folder: Path, **config: Any) -> CollectionPlan:
    overrides = {"results": str(folder / "results"), "collections": {"pile": {"path": str(folder / "pile")}}, **config}
    settings = load_settings(ROOT / "config.yaml", overrides)
    return next(iter(plan_run(settings).collections.values()))


def contaminated(folder: Path) -> dict[str, Any]:
    return {"pile": {"path": str(folder / "pile"), "contaminated": True}}


def layers_of(planned: CollectionPlan) -> tuple[str, ...]:
    return planned.layers_of(planned.features_folder)


def with_normal(folder: Path, detectors: Any = None, **entry: Any) -> CollectionPlan:
    entries = {"pile": {"path": str(folder / "pile"), **entry}}
    return plan(folder, collections=entries, detectors=detectors or {"padim": {}}, images_per_job=3)
