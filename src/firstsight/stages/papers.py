"""Stage papers: the figures of papers beside those of a run, as a table and as a page."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from firstsight.errors import FirstsightError
from firstsight.plan.papers import Measured, PaperRow
from firstsight.reports.papers import papers_page
from firstsight.stages.job import Job
from firstsight.stages.study import images_of_rule, seconds_in_step, write_parquet
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_file
from firstsight.storage.tables import read_table

DEFAULT_METRICS = ("pro", "auroc", "average_precision", "f1_max", "auroc_by_image", "average_precision_by_image")
"""What is shown of firstsight's default detector."""


def write_papers(
    *, rows: Sequence[PaperRow], default_detector: Sequence[Measured], table: Path, markdown: Path, job: Job
) -> None:
    """Write the papers' tables with what was measured beside their figures.

    The table has a row for every figure: paper, table, data_set, texture, method, metric, size (of the image, for
    costs), status (`firstsight.plan.papers.PaperRow`), published, preset (its name), ours (with the preset), defaults
    (with firstsight's own settings), difference (ours less published), trunk_seconds and times_trunk (of costs: the
    seconds an image of the network in the same run, and how many times that the detector takes), differs.
    A figure of a data set with several textures is the mean over those that are there; a mean over images is over all
    of theirs.

    Args:
        rows: the figures, and where the results beside them lie.
        default_detector: results of firstsight's default detector.
        table: Parquet to make.
        markdown: page to make.

    Raises:
        FirstsightError: nothing was measured; a file is missing or damaged.
    """
    if not any(row.status == "measured" for row in rows):
        raise FirstsightError("no collection stands for a data set of the papers: firstsight papers --data FOLDER")
    with job.step("read"):
        figures = [_line(row) for row in rows]
        default = [_default_line(measured) for measured in default_detector]
    write_parquet(table, pandas.DataFrame(figures).astype({"size": "Int64"}))
    page = papers_page(figures, default)
    replace_file(markdown, lambda path: path.write_text(page, encoding="utf-8"))


def _line(row: PaperRow) -> dict[str, Any]:
    figure = row.figure
    costs = {"trunk_seconds": np.nan, "times_trunk": np.nan}
    if figure.metric == "seconds":
        ours, costs = _costs(row.ours) if row.ours else (np.nan, costs)
    else:
        ours = _mean(row.ours, figure.metric)
    return {
        "paper": figure.paper,
        "table": figure.table,
        "data_set": figure.data_set,
        "texture": figure.texture,
        "method": figure.method,
        "metric": figure.metric,
        "size": figure.size,
        "status": row.status,
        "published": figure.value,
        "preset": figure.preset,
        "ours": ours,
        "defaults": _mean(row.defaults, figure.metric),
        "difference": ours - figure.value,
        **costs,
        "differs": "; ".join(row.differs),
    }


def _rows(measured: Measured, metric: str) -> list[dict[str, Any]]:
    """The row of a metric in the table of a detector; none where it is not defined."""
    found = read_table(measured.row.metrics)
    # Clusters are always of the whole frame.
    crop = 0.0 if metric.endswith("_oracle") else measured.crop
    own = found["detector"].eq(measured.row.detector) & found["metric"].eq(metric) & found["crop"].eq(crop)
    columns = ["value", "n_images"]
    return [dict(zip(columns, row, strict=True)) for row in found.loc[own, columns].to_numpy().tolist()]


def _mean(measured: Sequence[Measured], metric: str) -> float:
    """The mean over textures; of a metric that is a mean over images, the mean over all their images."""
    rows = [row for each in measured for row in _rows(each, metric)]
    weights = [row["n_images"] if metric.endswith("_by_image") else 1 for row in rows]
    complete = len(rows) == len(measured) > 0
    return float(np.average([row["value"] for row in rows], weights=weights)) if complete else np.nan


def _costs(measured: Sequence[Measured]) -> tuple[float, dict[str, float]]:
    """Seconds an image in the detector, and of the network."""
    records = [read_json(path) for each in measured for path in each.row.records]
    detector, trunk = (
        seconds_in_step(step, records, rule) / images_of_rule(records, rule)
        for step, rule in (("detect", "detect"), ("extract", "features"))
    )
    return detector, {"trunk_seconds": trunk, "times_trunk": detector / trunk if trunk else np.nan}


def _default_line(measured: Measured) -> dict[str, Any]:
    return {"collection": measured.row.collection} | {metric: _mean([measured], metric) for metric in DEFAULT_METRICS}
