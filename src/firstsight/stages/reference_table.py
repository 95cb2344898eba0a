"""Stage reference_table: methods that learn from normal images, without and with SBM and PFAM."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from firstsight.errors import FirstsightError
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_file
from firstsight.storage.tables import read_table

METRICS = {"image_auroc": "I-AUROC", "auroc": "P-AUROC", "pro": "PRO"}
"""Metrics of the table, as columns and as the paper calls them; 0 to 1, on the whole frame."""

STEPS = ("extract", "detect")
"""Steps of the jobs that an image passes once everything is learned: its features, its map."""

PUBLISHED = """## Published

Averages of Tables 1 and 2 of Yuan et al., "Anomaly Detection of Industrial Products Considering both Texture and Shape
Information" (2023), for comparison: I-AUROC / P-AUROC in percent, and milliseconds an image on a GPU. Other images, all
of their normal images, crops of 224 x 224 pixels; textures of MVTec AD had PFAM alone, the others SBM and PFAM.

| method | MVTec AD textures | MVTec AD objects | MTL AD | milliseconds |
| --- | --- | --- | --- | --- |
| PaDiM | 98.08 / 97.28 | 93.41 / 98.17 | 77.33 / 83.10 | 503 |
| PaDiM + theirs | 98.54 / 97.08 | 94.55 / 98.29 | 78.20 / 84.40 | 507 |
| PatchCore | 98.64 / 96.84 | 97.65 / 98.57 | 78.43 / 86.40 | – |
| PatchCore + theirs | 99.28 / 97.16 | 97.76 / 98.72 | 80.67 / 87.20 | – |
| CFA | 99.56 / 97.24 | 99.19 / 98.69 | 86.17 / 90.63 | 129 |
| CFA + theirs | 99.82 / 98.14 | 99.31 / 98.66 | 89.86 / 91.00 | 131 |
"""


@dataclass(frozen=True)
class ReferenceRow:
    """Where the results of one method on one collection lie.

    Attributes:
        collection, method: names for the table.
        sbm, pfam: what the method has besides.
        metrics: Parquet table `metrics`.
        features, maps: JSON records of the jobs that made the features and the maps of the images that are searched.
    """

    collection: str
    method: str
    sbm: bool
    pfam: bool
    metrics: Path
    features: tuple[Path, ...]
    maps: tuple[Path, ...]


def write_reference_table(*, rows: Sequence[ReferenceRow], table: Path, markdown: Path, job: Job) -> None:
    """Write the comparison as a table and as text.

    Args:
        rows: methods on collections.
        table: Parquet to make, one row each: collection, method, sbm, pfam, a column for each of `METRICS` (null where
            the collection has no masks or labels) and milliseconds (of `STEPS`, an image).
        markdown: the same as text, with the published figures beside it.
        job: where time and counts are noted.

    Raises:
        FirstsightError: no collection has normal images.
    """
    if not rows:
        raise FirstsightError(
            "reference_table: no collection has normal images: add collections.<name>.reference or contaminated: true"
        )
    with job.step("join"):
        found = pandas.DataFrame([_row(row) for row in rows])
    replace_file(table, lambda path: found.to_parquet(path, index=False, compression="zstd"))
    text = "\n".join(_section(str(name), part) for name, part in found.groupby("collection", sort=False))
    title = "# Methods that learn from normal images"
    replace_file(markdown, lambda path: path.write_text(f"{title}\n\n{text}\n{PUBLISHED}", encoding="utf-8"))


def _row(row: ReferenceRow) -> dict[str, object]:
    metrics = read_table(row.metrics)
    values = metrics[metrics["crop"].eq(0)].set_index("metric")["value"]
    return {
        "collection": row.collection,
        "method": row.method,
        "sbm": row.sbm,
        "pfam": row.pfam,
        **{metric: float(values[metric]) if metric in values.index else None for metric in METRICS},
        "milliseconds": _milliseconds(row.features) + _milliseconds(row.maps),
    }


def _milliseconds(records: Sequence[Path]) -> float:
    """Time of `STEPS` an image."""
    found = [read_json(path) for path in records]
    seconds = sum(json.loads(record["seconds_by_step"]).get(step, 0.0) for record in found for step in STEPS)
    return 1000 * float(seconds) / max(1, sum(record["n_images"] for record in found))


def _section(collection: str, rows: pandas.DataFrame) -> str:
    titles = ["method", "SBM", "PFAM", *METRICS.values(), "milliseconds"]
    lines = [f"## {collection}", "", f"| {' | '.join(titles)} |", f"| {' | '.join('---' for _ in titles)} |"]
    for row in rows.to_dict("records"):
        names = [str(row["method"]), *("yes" if row[name] else "" for name in ("sbm", "pfam"))]
        figures = ["–" if pandas.isna(row[metric]) else f"{row[metric]:.3f}" for metric in METRICS]
        lines.append("| " + " | ".join([*names, *figures, f"{row['milliseconds']:.0f}"]) + " |")
    return "\n".join([*lines, ""])
