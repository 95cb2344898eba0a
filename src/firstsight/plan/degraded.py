"""The degraded copies of collections that the study of robustness looks at, as plans of their own."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from firstsight.collections.readers import ImageFile
from firstsight.collections.shards import plan_shards
from firstsight.plan.collections import DEGRADED, CollectionPlan
from firstsight.plan.paths import paths_below
from firstsight.plan.run import Plan

LEVELS = (0, 1, 2, 5, 10)
"""Percent: of the range of grey values for noise, of the pixels for missing ones."""

VARIANTS = (("noise", 0), *(("noise", level) for level in LEVELS[1:]), *(("missing", level) for level in LEVELS[1:]))
"""Degradation and level; at level 0 they are all the same."""

SEED = 0
"""Of the choice of images."""

IMAGES = 10
"""At most so many images of a collection are degraded."""


def plan_degraded(plan: Plan) -> dict[str, CollectionPlan]:
    """Plans of the degraded copies, named ``<collection>/robustness/<degradation>-<percent>``.

    A copy has a random sample of the images with a mask, of a collection that has some and is not itself compared with
    another. Detectors learn from the collection as it is, so the copies are new images of it.
    """
    copies = {}
    for name, collection in plan.collections.items():
        masked = sorted(
            file.image for file in collection.files.values() if file.masks and not file.normal and not file.problem
        )
        if not masked or collection.is_new:
            continue
        chosen = sorted(np.random.default_rng(SEED).permutation(masked)[:IMAGES].tolist())
        for degradation, level in VARIANTS:
            copy = copy_name(name, degradation, level)
            copies[copy] = _plan_copy(collection, copy, plan, chosen)
    return copies


def _plan_copy(collection: CollectionPlan, name: str, plan: Plan, chosen: list[str]) -> CollectionPlan:
    folder = Path(paths_below(plan.results).images.format(collection=name))
    files = {
        image: replace(collection.files[image], path=folder / f"{image}.tif", missing=None, ignored=None)
        for image in chosen
    }
    size = collection.settings.images_per_job
    return CollectionPlan(
        name=name,
        settings=collection.settings.model_copy(
            update={"path": None, "missing": None, "ignore": None, "layout": DEGRADED, "assign_to": collection.name}
        ),
        files=files,
        shards=plan_shards(chosen, size if isinstance(size, int) else IMAGES, {}),
        reference_shards={},
        own=collection.studies["compare"],
    )


def copy_name(collection: str, degradation: str, level: int) -> str:
    """Name of a degraded copy; at level 0 it is the same for all degradations."""
    return f"{collection}/robustness/{degradation if level else VARIANTS[0][0]}-{level}"


def degradation_of(name: str) -> tuple[str, int]:
    """Degradation and level (percent) of the degraded copy of that name."""
    degradation, level = name.rpartition("/")[2].split("-")
    return degradation, int(level)


def originals(collection: CollectionPlan, copy: CollectionPlan) -> list[dict[str, str | None]]:
    """For each image of a degraded copy a plain row: image, and the path, missing and ignored of its original."""

    def row(file: ImageFile) -> dict[str, str | None]:
        masks = {"missing": file.missing, "ignored": file.ignored}
        return {"image": file.image, "path": str(file.path)} | {
            name: str(mask) if mask else None for name, mask in masks.items()
        }

    return [row(collection.files[image]) for image in copy.files]
