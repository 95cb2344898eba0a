"""Stage manifest: look at every image of a shard once, before anything is computed from it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from firstsight.collections.demo import DemoSettings, make_demo
from firstsight.collections.images import inspect_image
from firstsight.collections.readers import ImageFile
from firstsight.reports.tables import write_table
from firstsight.stages.job import Job, write_json
from firstsight.stages.shards import replace_folder


def make_demo_collection(folder: Path, texture: str, job: Job) -> None:
    """Make the images of one demo collection under ``folder``, which appears only when all are there."""
    with job.step("make"), replace_folder(folder) as partial:
        make_demo(partial, DemoSettings(texture=texture))


def make_manifest(
    *, files: Sequence[Mapping[str, str | None]], collection: str, shard: str, output: Path, members: Path, job: Job
) -> None:
    """Read every image of a shard and write one row each: size, type, sha256, status.

    Args:
        files: rows with image, path, label, mask and problem, as the plan has them.
        collection: name of the collection.
        shard: id of the shard.
        output: Parquet file of `images` rows, in the order of ``files``.
        members: JSON list of the shard's image ids; with it the shard keeps its members for good.
        job: where time and counts are noted.
    """
    rows = []
    with job.step("inspect"):
        for file in job.progress(files, len(files)):
            row = inspect_image(
                ImageFile(
                    image=str(file["image"]),
                    path=Path(str(file["path"])),
                    label=file["label"],
                    mask=None if file["mask"] is None else Path(file["mask"]),
                    problem=file["problem"],
                )
            )
            rows.append({"collection": collection, "shard": shard, **row})
    job.n_images = len(rows)
    for row in rows:
        if row["status"] != "ok":
            job.note(f"{row['image']}: {row['status']}")
    write_table(output, "images", rows)
    write_json(members, [file["image"] for file in files])
