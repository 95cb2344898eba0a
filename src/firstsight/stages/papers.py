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
from firstsight.stages.study import write_parquet
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_file
from firstsight.storage.tables import read_table

DEFAULT_METRICS = ("pro", "auroc", "average_precision", "f1_max", "auroc_by_image", "average_precision_by_image")
"""What is shown of firstsight's default detector."""

NO_COSTS: dict[str, Any] = {"seconds": np.nan, "network": np.nan, "device": None}
"""Seconds an image in the detector and of the network, and where both ran, where nothing was timed."""


def write_papers(
    *, rows: Sequence[PaperRow], default_detector: Sequence[Measured], table: Path, markdown: Path, job: Job
) -> None:
    """Write the papers' tables with what was measured beside their figures.

    The table has a row for every figure: paper, table, data_set, texture, method, metric, size (of the image, for
    costs), status (`firstsight.plan.papers.PaperRow`), published, preset (its name), ours (with the preset), defaults
    (with firstsight's own settings), difference (ours less published), trunk_seconds, times_trunk and device (of costs:
    the seconds an image of the network, how many times that the detector takes, and where both ran), differs.
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
    costs = _costs(row.costs, str(figure.detector)) if row.costs else NO_COSTS
    ours = costs["seconds"] if row.costs else _mean(row.ours, figure.metric)
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
        "trunk_seconds": costs["network"],
        # Where the clock is coarse the network may take no time.
        "times_trunk": costs["seconds"] / (costs["network"] or np.nan),
        "device": costs["device"],
        "differs": "; ".join(row.differs),
    }


def _rows(measured: Measured, metric: str) -> list[dict[str, Any]]:
    """The row of a metric in the table of a detector; none where it is not defined."""
    found = read_table(measured.metrics)
    own = found["detector"].eq(measured.detector) & found["metric"].eq(metric) & found["crop"].eq(measured.crop)
    columns = ["value", "n_images"]
    return [dict(zip(columns, row, strict=True)) for row in found.loc[own, columns].to_numpy().tolist()]


def _mean(measured: Sequence[Measured], metric: str) -> float:
    """The mean over textures; of a metric that is a mean over images, the mean over all their images."""
    rows = [row for each in measured for row in _rows(each, metric)]
    weights = [row["n_images"] if metric.endswith("_by_image") else 1 for row in rows]
    complete = len(rows) == len(measured) > 0
    return float(np.average([row["value"] for row in rows], weights=weights)) if complete else np.nan


def _costs(path: Path, detector: str) -> dict[str, Any]:
    measured = read_json(path)
    return {**measured["detectors"][detector], "device": measured["device"]}


def _default_line(measured: Measured) -> dict[str, Any]:
    return {"collection": measured.collection} | {metric: _mean([measured], metric) for metric in DEFAULT_METRICS}
