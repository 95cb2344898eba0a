"""Stage truth: read the masks of a shard once, and say where labels and masks do not go together."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from firstsight.collections.mask_values import Convention, given_convention
from firstsight.collections.masks import common_convention, inspect_masks, join_masks
from firstsight.stages.job import Job
from firstsight.storage.json import write_json
from firstsight.storage.tables import read_table

MASK_OF_NORMAL = "labelled normal, but its mask is not empty: the label counts"
EMPTY_MASK = "labelled defective, but its mask is empty: no part of the metrics of localization"
LARGE_SHARE = 0.5
LARGE_MASK = "its mask marks more than half of it: if that is the background, say so with mask.positive"
NO_MASK = "labelled defective, but without a mask: no part of the metrics of localization"
NEITHER = "neither label nor mask: no part of the metrics"


def read_truth(
    *,
    rows: Sequence[Mapping[str, Any]],
    sample: Sequence[Mapping[str, str | None]],
    positive: Sequence[float] | None,
    manifest: Path,
    output: Path,
    job: Job,
) -> None:
    """Read the masks of a shard and note them with the labels.

    Args:
        rows: image, label, normal (whether the label says so, or None), masks (paths), remark and, where it is known,
            time (in the form of ISO 8601) of every image, as the plan has them.
        sample: masks of the whole collection, from which it is found what their values mean; none if it has no masks.
        positive: the values that are anomalous, if the config says it.
        manifest: the shard's rows of the table `images`.
        output: JSON to make: for every image a row with the columns of `read_images`; the status says if a mask cannot
            be read or has another size than its image.
    """
    sizes = read_table(manifest).set_index("image")
    checked = []
    with job.step("inspect"):
        convention = _convention(sample, positive)
        for row in rows:
            image = sizes.loc[row["image"]]
            paths = [Path(path) for path in row["masks"]]
            status, marked = "ok", None
            if paths and image["status"] == "ok":
                height, width = image[["height", "width"]].astype(int)
                status, marked = inspect_masks(paths, height, width, convention.rule)
            counts = not row["normal"] and (row["normal"] is None or marked != 0)
            mask = join_masks(row["masks"]) if counts else None
            checked.append(
                {
                    "image": row["image"],
                    "label": row["label"],
                    "is_normal": row["normal"],
                    "mask": mask,
                    "mask_values": None if mask is None else str(convention.rule),
                    "truth_remark": _remark(row, marked, any_masks=bool(sample)),
                    "time": row.get("time"),
                    "status": status,
                }
            )
    job.n_images = len(checked)
    job.says = convention.says if sample else ""
    _note(checked, job)
    write_json(output, checked)


def _convention(sample: Sequence[Mapping[str, str | None]], positive: Sequence[float] | None) -> Convention:
    if positive is not None:
        return given_convention(positive)
    return common_convention([Path(str(mask["mask"])) for mask in sample])


def _remark(row: Mapping[str, Any], marked: float | None, *, any_masks: bool) -> str | None:
    """What is odd about the label and the masks of an image, of which the share ``marked`` is anomalous."""
    if row["remark"] is not None:
        return str(row["remark"])
    if row["normal"]:
        return MASK_OF_NORMAL if marked else None
    if marked is not None and marked > LARGE_SHARE:
        return LARGE_MASK
    if row["masks"]:
        return EMPTY_MASK if row["normal"] is False and marked == 0 else None
    if not any_masks:
        return None
    return NEITHER if row["normal"] is None else NO_MASK


def _note(rows: Sequence[Mapping[str, Any]], job: Job) -> None:
    """Into the log: what the values of masks mean, each image that is odd, and how many are so in the same way."""
    if job.says:
        job.note(job.says)
    odd = [
        (row["image"], text)
        for row in rows
        for text in (row["status"], row["truth_remark"])
        if text not in {"ok", None}
    ]
    for image, text in odd:
        job.note(f"{image}: {text}")
    for text, count in Counter(row["truth_remark"] for row in rows if row["truth_remark"]).items():
        job.note(f"{count} image{'' if count == 1 else 's'}: {text}")
