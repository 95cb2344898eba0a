"""Stage study: the results of a study's rows, as a table and as a page."""

import json
from collections.abc import Callable, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from firstsight.errors import FirstsightError
from firstsight.plan.study_rows import StudyRow
from firstsight.plan.study_tables import Study
from firstsight.reports.markdown import markdown_table
from firstsight.stages.job import Job
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_file
from firstsight.storage.tables import read_table

Records = Sequence[Mapping[str, Any]]


def _seconds(records: Records, *rules: str) -> float:
    return sum(float(record["seconds"]) for record in records if not rules or record["rule"] in rules)


def seconds_in_step(step: str, records: Records, rule: str) -> float:
    """The seconds that the jobs of a rule spent in a step."""
    # Not the seconds of the job: starting it, reading and writing do not depend on the detector.
    return sum(json.loads(record["seconds_by_step"]).get(step, 0.0) for record in records if record["rule"] == rule)


def images_of_rule(records: Records, rule: str) -> int:
    """How many images the jobs of a rule went through, 1 at least."""
    return max(1, sum(record["n_images"] for record in records if record["rule"] == rule))


def _milliseconds(records: Records) -> float:
    extract = 1000 * seconds_in_step("extract", records, "features") / images_of_rule(records, "features")
    return extract + 1000 * seconds_in_step("detect", records, "detect") / images_of_rule(records, "detect")


def _seconds_per_image(records: Records) -> float:
    learning = sum(record["seconds"] for record in records if record["rule"] not in {"features", "detect"})
    return (learning + seconds_in_step("detect", records, "detect")) / images_of_rule(records, "detect")


TIMES: dict[str, Callable[[Records], float]] = {
    "seconds": _seconds,
    "milliseconds": _milliseconds,
    "seconds_per_image": _seconds_per_image,
    "feature_seconds_per_image": lambda records: _seconds(records, "features") / images_of_rule(records, "detect"),
}
"""Times, from the records of jobs: the seconds of all of them; the milliseconds that the features and the map of an
image take once everything is learned; the seconds an image in the detector (its share of learning included) and in the
extractor (0 where the detector reads the image itself)."""


def write_study(
    *,
    study: Study,
    rows: Sequence[StudyRow],
    set_aside: Sequence[str],
    companions: Sequence[Path],
    table: Path,
    markdown: Path,
    job: Job,
) -> None:
    """Write a study as a table and as a page.

    Args:
        study: its columns, and what its page is like.
        rows: what it compares.
        set_aside: a line for each detector that could not be compared.
        companions: pictures and texts that belong to the page.
        table: Parquet to make, see `study_table`.
        markdown: the page to make.

    Raises:
        FirstsightError: there are no rows; a file of theirs is missing or damaged.
    """
    if not rows:
        raise FirstsightError(study.nothing)
    with job.step("read"):
        figures = study_table(rows, study.columns)
    write_parquet(table, figures)
    pictures = [path for path in companions if path.suffix == ".png"]
    parts = [
        f"# {study.title}\n",
        f"{study.about}\n" if study.about else "",
        *(_section(part, study) for _, part in figures.groupby(list(study.sections), sort=False)),
        *(path.read_text(encoding="utf-8") for path in companions if path not in pictures),
        *(f"![{path.stem}]({Path(relpath(path, markdown.parent)).as_posix()})\n" for path in pictures),
        "## Set aside\n\n" + "".join(f"- {line}\n" for line in set_aside) if set_aside else "",
        study.published,
    ]
    replace_file(markdown, lambda path: path.write_text("\n".join(filter(None, parts)), encoding="utf-8"))


def study_table(rows: Sequence[StudyRow], columns: Sequence[str]) -> pandas.DataFrame:
    """One line for each row: collection and names, then the columns.

    Metrics are those of the whole frame, 0 to 1, null where the collection has no masks or labels for them. Counts
    (``n_``) are whole numbers. For times see `TIMES`.
    """
    return pandas.DataFrame([{"collection": row.collection, **row.names, **_figures(row, columns)} for row in rows])


def write_parquet(path: Path, table: pandas.DataFrame) -> None:
    """Write a table whose columns no schema fixes."""
    replace_file(path, lambda beside: table.to_parquet(beside, index=False, compression="zstd"))


def _figures(row: StudyRow, columns: Sequence[str]) -> dict[str, float | int]:
    metrics = read_table(row.metrics)
    metrics = metrics[metrics["crop"].eq(0) & metrics["detector"].eq(row.detector)]
    values = dict(zip(metrics["metric"], metrics["value"], strict=True))
    counts = values | (read_json(row.clusters) if row.clusters else {})
    times = [column for column in columns if column in TIMES]
    records = [read_json(path) for path in row.records] if times else []
    return (
        {column: float(values.get(column, np.nan)) for column in columns}
        | {column: int(counts[column]) for column in columns if column.startswith("n_")}
        | {column: TIMES[column](records) for column in times}
    )


def _section(rows: pandas.DataFrame, study: Study) -> str:
    """The part of the page about the values that all of these rows have in common."""
    title = ", ".join(str(rows[name].iloc[0]) for name in study.sections)
    shown = rows.drop(columns=list(study.sections))
    if study.side_by_side:
        name, metric = study.side_by_side
        lines = [column for column in shown if column not in {name, *study.columns}]
        shown = shown.pivot(index=lines, columns=name, values=metric)
        shown.columns = [f"{name} {value}" for value in shown.columns]
        shown = shown.reset_index()
    headings = [str(column).replace("_", " ") for column in shown.columns]
    return f"## {title}\n\n{markdown_table(headings, shown.astype(object).to_numpy().tolist())}"
