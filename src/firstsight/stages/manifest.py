"""Stage manifest: look at every image of a shard once, before anything uses it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from firstsight.collections.demo import DemoSettings, make_demo
from firstsight.collections.images import draw_from, file_sha256, inspect_content
from firstsight.collections.readers import ImageFile
from firstsight.collections.value_range import DrawnValues, ValueRange, find_range
from firstsight.stages.copies import write_contents
from firstsight.stages.job import Job
from firstsight.storage.json import read_json, write_json
from firstsight.storage.replacing import replace_folder
from firstsight.storage.table_schemas import TRUTH_COLUMNS
from firstsight.storage.tables import write_table

SAMPLED_IMAGES = 32
"""The range of values of a collection is found from so many of its images at most."""


def make_demo_collection(folder: Path, texture: str, job: Job) -> None:
    """Make the images of one demo collection under ``folder``, which appears only when all are there."""
    with job.step("make"), replace_folder(folder) as partial:
        make_demo(partial, DemoSettings(texture=texture))


@dataclass(frozen=True)
class Values:
    """Where the range of values of a collection comes from.

    Attributes:
        file: JSON of the range, made by whichever shard needs it first: all would find the same. Once found it is kept
            as the collection grows, as long as one of the images is there that it was found from.
        sample: paths of images, in the order in which they are looked at.
        given: the values that are black and white by the config, for all images; or None.
    """

    file: Path
    sample: Sequence[str]
    given: tuple[float, float] | None = None


def make_manifest(
    *,
    files: Sequence[Mapping[str, str | None]],
    collection: str,
    shard: str,
    output: Path,
    members: Path,
    job: Job,
    values: Values | None = None,
    copies: Path | None = None,
) -> None:
    """Read every image of a shard and write one row each: size, type, sha256, status.

    Args:
        files: rows with image, path, missing and problem, and ignored where there is one, as the plan has them.
        collection: name of the collection.
        shard: id of the shard.
        output: Parquet file of `images` rows, in the order of ``files``, without labels and masks: these may
            come later, and features should not wait for them or be made again.
        values: where the range of images of more than 8 bits comes from; without it each has that of its type.
        members: JSON list of the shard's image ids; from then on the shard keeps its members.
        copies: npz to make, from which `copies_in` finds which images are copies of others.
    """
    rows, phases = [], []
    find_limits = None if values is None else cache(partial(find_limits_of, values, job))
    with job.step("inspect"):
        for file in job.progress(files, len(files)):
            row, phases_of_image = inspect_content(
                ImageFile(
                    image=str(file["image"]),
                    path=Path(str(file["path"])),
                    label=None,
                    masks=(),
                    problem=file["problem"],
                    missing=Path(file["missing"]) if file["missing"] else None,
                    ignored=Path(ignored) if (ignored := file.get("ignored")) else None,
                ),
                find_limits,
                always=values is not None and values.given is not None,
            )
            known_later = dict.fromkeys((*TRUTH_COLUMNS, "duplicate_of"))
            phases.append(phases_of_image)
            rows.append({"collection": collection, "shard": shard, **known_later, **row})
    _count_and_note(rows, job)
    write_table(output, "images", rows)
    if copies:
        write_contents(copies, rows, phases)
    write_json(members, [file["image"] for file in files])


def find_limits_of(values: Values, job: Job) -> ValueRange | None:
    """The range of a collection: given, kept, or found now and kept; None where its sample leaves nothing open."""
    if values.given is not None:
        return ValueRange(*values.given, "given")
    limits = _kept_limits(values.file)
    if limits is None:
        drawn: list[DrawnValues] = []
        found_in: list[list[str | None]] = []
        with job.step("values"):
            for path in values.sample:
                if len(drawn) == SAMPLED_IMAGES:
                    break
                image = draw_from(Path(path))
                if image is not None:
                    drawn.append(image)
                    found_in.append([path, file_sha256(Path(path))])
        if not drawn:
            # Such images are rare in the collection, and have the range of their type.
            return None
        limits = find_range(drawn)
        write_json(values.file, {"low": limits.low, "high": limits.high, "says": limits.says, "found_in": found_in})
    job.says = f"values from {limits.low:g} to {limits.high:g}: {limits.says}"
    job.note(job.says)
    return limits


def _kept_limits(file: Path) -> ValueRange | None:
    """The range that was found before; None if there is none, or none of the images that it was found from is left."""
    if not file.exists():
        return None
    kept = read_json(file)
    if not any(sha256 is not None and file_sha256(Path(path)) == sha256 for path, sha256 in kept["found_in"]):
        return None
    return ValueRange(kept["low"], kept["high"], kept["says"])


def _count_and_note(rows: Sequence[Mapping[str, Any]], job: Job) -> None:
    """Count the images of a shard, and note in the log those that are not as they should be."""
    job.n_images = len(rows)
    for row in rows:
        if row["status"] != "ok":
            job.note(f"{row['image']}: {row['status']}")
        elif row.get("is_texture") is False:
            job.note(f"{row['image']}: may not be a texture, its parts differ (score {row['texture_score']:.2f})")
