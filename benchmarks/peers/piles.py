"""A folder of images with masks, read as the workflow reads it, so that every method sees the same images and truth."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.collections.images import read_row
from firstsight.collections.masks import read_row_masks
from firstsight.errors import FirstsightError
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.installed import DEFAULT_CONFIG
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import paths_below
from firstsight.plan.run import plan_run
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.truth import read_truth
from firstsight.storage.stored_images import read_images

NAME = "pile"
"""What the only collection of a plan is called."""


@dataclass(frozen=True)
class Pile:
    """The usable images of a folder that have a mask or are known to be normal.

    Attributes:
        folder: where they are.
        rows: one of the table `images` for each, in the order of their names.
    """

    folder: Path
    rows: Sequence[Mapping[Any, Any]]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def names(self) -> list[str]:
        """The id of every image."""
        return [str(row["image"]) for row in self.rows]

    @property
    def good(self) -> list[int]:
        """Places of the images that are labelled normal."""
        return [place for place, row in enumerate(self.rows) if row["is_normal"] is True]

    def image(self, place: int) -> NDArray[np.float32]:
        """(height, width, 3) in [0, 1]."""
        return np.nan_to_num(read_row(self.rows[place]))

    def shape(self, place: int) -> tuple[int, int]:
        """Height and width of an image, pixels."""
        return int(self.rows[place]["height"]), int(self.rows[place]["width"])

    def mask(self, place: int) -> NDArray[np.bool_]:
        """(height, width), True where it is anomalous."""
        mask = read_row_masks(self.rows[place])
        return np.zeros(self.shape(place), bool) if mask is None else mask


def plan_pile(folder: Path, results: Path, **config: Any) -> tuple[CollectionPlan, str]:
    """The plan of a folder as the only collection of a run with this config, and its only shard."""
    collections = {NAME: {"path": str(folder)}}
    overrides = {"results": str(results), "images_per_job": 10**6, "collections": collections, **config}
    collection = plan_run(load_settings(DEFAULT_CONFIG, overrides)).collections[NAME]
    (shard,) = collection.shards
    return collection, shard


def quiet_job(shard: str, detector: str = "") -> Job:
    """A job whose log nobody reads."""
    return Job(NAME, NAME, shard, detector, io.StringIO(), quiet=True)


def open_pile(folder: Path, results: Path) -> Pile:
    """Inspect a folder, whatever layout it has, and its masks.

    Raises:
        FirstsightError: no image has a mask.
    """
    collection, shard = plan_pile(folder, results)
    paths, job = paths_below(results), quiet_job(shard)
    manifest, members, truth = (
        Path(pattern.format(collection=NAME, shard=shard)) for pattern in (paths.manifest, paths.members, paths.truth)
    )
    make_manifest(
        files=collection.shard_files(shard), collection=NAME, shard=shard, output=manifest, members=members, job=job
    )
    read_truth(
        rows=collection.shard_truth(shard),
        sample=collection.mask_sample,
        positive=collection.settings.mask.positive,
        manifest=manifest,
        output=truth,
        job=job,
    )
    images = read_images([manifest], [truth])
    if not images["mask"].notna().any():
        raise FirstsightError(f"{folder}: there are no masks")
    known = images["status"].eq("ok") & (images["mask"].notna() | images["is_normal"].eq(True))
    return Pile(folder, images[known].sort_values("image").to_dict("records"))
