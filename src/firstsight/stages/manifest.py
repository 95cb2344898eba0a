"""Stage manifest: look at every image of a shard once, before anything uses it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstsight.collections.demo import DemoSettings, make_demo
from firstsight.collections.images import inspect_image
from firstsight.collections.readers import ImageFile
from firstsight.stages.job import Job
from firstsight.storage.json import write_json
from firstsight.storage.replacing import replace_folder
from firstsight.storage.table_schemas import TRUTH_COLUMNS
from firstsight.storage.tables import write_table


def make_demo_collection(folder: Path, texture: str, job: Job) -> None:
    """Make the images of one demo collection under ``folder``, which appears only when all are there."""
    with job.step("make"), replace_folder(folder) as partial:
        make_demo(partial, DemoSettings(texture=texture))


def make_manifest(
    *, files: Sequence[Mapping[str, str | None]], collection: str, shard: str, output: Path, members: Path, job: Job
) -> None:
    """Read every image of a shard and write one row each: size, type, sha256, status.

    Args:
        files: rows with image, path, missing and problem, as the plan has them.
        collection: name of the collection.
        shard: id of the shard.
        output: Parquet file of `images` rows, in the order of ``files``, without labels and masks: these may
            come later, and features should not wait for them or be made again.
        members: JSON list of the shard's image ids; from then on the shard keeps its members.
    """
    rows = []
    with job.step("inspect"):
        for file in job.progress(files, len(files)):
            row = inspect_image(
                ImageFile(
                    image=str(file["image"]),
                    path=Path(str(file["path"])),
                    label=None,
                    masks=(),
                    problem=file["problem"],
                    missing=Path(file["missing"]) if file["missing"] else None,
                )
            )
            rows.append({"collection": collection, "shard": shard, **dict.fromkeys(TRUTH_COLUMNS), **row})
    _count_and_note(rows, job)
    write_table(output, "images", rows)
    write_json(members, [file["image"] for file in files])


def _count_and_note(rows: Sequence[Mapping[str, Any]], job: Job) -> None:
    """Count the images of a shard, and note in the log those that are not as they should be."""
    job.n_images = len(rows)
    for row in rows:
        if row["status"] != "ok":
            job.note(f"{row['image']}: {row['status']}")
        elif row.get("is_texture") is False:
            job.note(f"{row['image']}: may not be a texture, its parts differ (score {row['texture_score']:.2f})")
