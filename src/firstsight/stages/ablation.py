"""Stage ablation: blind localization and clustering, and what each of their parts adds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas

from firstsight.reports.markdown import markdown_table
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_file
from firstsight.storage.tables import read_table

METRICS = {
    "pro": "PRO",
    "auroc": "AUROC",
    "average_precision": "AP",
    "nmi": "NMI",
    "ari": "ARI",
    "matched_f1": "F1",
    "nmi_oracle": "NMI, true k",
    "ari_oracle": "ARI, true k",
    "matched_f1_oracle": "F1, true k",
}
"""Metrics of the table, as columns and as its readers call them; 0 to 1, on the whole frame."""

PUBLISHED = """## Published

Table 1 of Ardelean and Weyrich, "Classifying Texture Anomalies at First Sight" (2024), for comparison. Other features
(Wide-ResNet50-2), other images, and frames whose borders are cut away; NMI and F1 with the true k.

| method | MVTec textures PRO | NMI | F1 | MTD PRO | NMI | F1 | Leaves PRO | NMI | F1 |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| Sohn et al. | 0.908 | 0.67 | 0.71 | 0.665 | 0.18 | 0.35 | 0.753 | 0.46 | 0.63 |
| only FCA | 0.969 | 0.76 | 0.78 | 0.722 | 0.18 | 0.51 | 0.481 | 0.33 | 0.44 |
| FCA + CL | 0.969 | 0.81 | 0.81 | 0.722 | 0.17 | 0.54 | 0.481 | 0.53 | 0.71 |
| FCA + VAE | 0.975 | 0.77 | 0.78 | 0.755 | 0.14 | 0.51 | 0.772 | 0.51 | 0.59 |
| full | 0.975 | 0.79 | 0.81 | 0.755 | 0.22 | 0.67 | 0.772 | 0.71 | 0.83 |
"""


@dataclass(frozen=True)
class AblationRow:
    """Where the results of one method on one collection lie.

    Attributes:
        collection, method: names for the table.
        contrastive: whether images were described by a contrastive head.
        metrics: Parquet table `metrics`.
        summary: JSON of the clusters.
        records: JSON records of the jobs that made them, whose seconds add up.
    """

    collection: str
    method: str
    contrastive: bool
    metrics: Path
    summary: Path
    records: tuple[Path, ...]


def write_ablation(*, rows: Sequence[AblationRow], table: Path, markdown: Path, job: Job) -> None:
    """Write the ablation as a table and as text.

    Args:
        rows: methods on collections.
        table: Parquet to make, one row each: collection, method, contrastive, a column for each of `METRICS` (null
            where the collection has no masks or labels), n_clusters (estimated) and seconds (of all its jobs, without
            evaluation).
        markdown: the same as text, with the published figures beside it.
        job: where time and counts are noted.
    """
    with job.step("join"):
        found = pandas.DataFrame([_row(row) for row in rows])
    replace_file(table, lambda path: found.to_parquet(path, index=False, compression="zstd"))
    text = "\n".join(_section(str(name), part) for name, part in found.groupby("collection", sort=False))
    replace_file(
        markdown, lambda path: path.write_text(f"# Ablation of blind localization\n\n{text}\n{PUBLISHED}", "utf-8")
    )


def _row(row: AblationRow) -> dict[str, object]:
    metrics = read_table(row.metrics)
    values = metrics[metrics["crop"].eq(0)].set_index("metric")["value"]
    seconds = sum(float(read_json(path)["seconds"]) for path in row.records)
    return {
        "collection": row.collection,
        "method": row.method,
        "contrastive": row.contrastive,
        **{metric: float(values[metric]) if metric in values.index else None for metric in METRICS},
        "n_clusters": read_json(row.summary)["n_clusters"],
        "seconds": seconds,
    }


def _section(collection: str, rows: pandas.DataFrame) -> str:
    lines = [
        [
            f"{row['method']} + contrastive head" if row["contrastive"] else row["method"],
            *(row[metric] for metric in METRICS),
            row["n_clusters"],
            round(row["seconds"]),
        ]
        for row in rows.to_dict("records")
    ]
    return f"## {collection}\n\n{markdown_table(['method', *METRICS.values(), 'k', 'seconds'], lines)}"
