"""The page of the papers' tables, in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from math import isnan
from typing import Any

from firstsight.papers.data_sets import DATA_SETS
from firstsight.papers.presets import DEFAULTS
from firstsight.papers.published import PAPERS
from firstsight.reports.markdown import markdown_table

METRICS = {
    "pro": "PRO",
    "auroc": "AUROC, pooled",
    "average_precision": "AP, pooled",
    "f1_max": "best F1, pooled",
    "image_auroc": "AUROC of images",
    "auroc_by_image": "AUROC, mean over images",
    "average_precision_by_image": "AP, mean over images",
    "nmi_oracle": "NMI, true number",
    "matched_f1_oracle": "F1 after matching, true number",
}
"""Short names of metrics, which say whether pixels are compared image by image or all together."""

HEAD = """\
# The papers' tables

The figures that the papers print, and what firstsight measures on the same data sets, as far as these were there: with
the paper's preset (its size, layers, windows and crop), and with firstsight's defaults (EfficientNet-Lite0, the whole
frame). The difference is that of the preset. Metrics are shares, 1 is best: per-region overlap (PRO) up to 30 % false
positives, the area under the receiver operating characteristic (AUROC), average precision (AP), F1, normalised mutual
information (NMI). *Pooled*: the pixels of all images are compared with one another; *mean over images*: the pixels of
each image among themselves. The methods are feature correspondence analysis (FCA), the sample-weighted Wasserstein
distance (SWW), global-regularized neighborhood regression (GRNR), the grey-level co-occurrence matrix (GLCM),
coupled-hypersphere-based feature adaptation (CFA), a shape-biased module (SBM), a pretrained feature attentive module
(PFAM), a variational autoencoder (VAE) and others;
[methods.md](methods.md#where-the-papers-and-firstsight-differ) says how firstsight's differ whatever the settings.

`firstsight papers --data FOLDER` made this page; `tables/papers.parquet` holds the same.
"""

COSTS = """\
Seconds an image in the detector alone, how many times that is of the seconds that the network takes for an image up to
the layers that the detector reads, and where both ran (cpu: one core). Images are resized to a square of so many
pixels; the median of three counts, after a first run that warms up (what takes more than 20 seconds runs once). The
papers' seconds are of a GPU, with the network.
"""

Row = Mapping[str, Any]
"""A row of the table that `firstsight.stages.papers.write_papers` makes."""


def papers_page(figures: Sequence[Row], default: Sequence[Row]) -> str:
    """The page: a section for each paper's table, then costs, firstsight's default detector, and what was not run.

    Args:
        figures: paper by paper and table by table.
        default: collection and metrics of firstsight's default detector.
    """
    shares = [row for row in figures if row["metric"] != "seconds" and row["status"] != "missing"]
    by_table = groupby(shares, key=lambda row: (row["paper"], row["table"]))
    sections = [part for (paper, table), rows in by_table for part in _table(paper, table, list(rows))]
    costs = [row for row in figures if row["metric"] == "seconds" and row["status"] in {"measured", "not run"}]
    return "\n".join([HEAD, *sections, *_costs(costs), *_default(default), *_missing(figures)])


def _table(paper: str, table: str, rows: Sequence[Row]) -> Iterator[str]:
    if not any(row["status"] == "measured" for row in rows):
        return
    yield f"## {PAPERS[paper]}, {table}\n"
    titles = ["data set", "method", "metric", "preset", "defaults", "paper", "difference"]
    figures = ("ours", "defaults", "published")
    yield markdown_table(
        titles,
        [
            [_title(row), row["method"], METRICS[row["metric"]], *(row[name] for name in figures), _signed(row)]
            for row in rows
        ],
    )
    measured = [row for row in rows if row["status"] == "measured"]
    notes = _methods_by([row for row in measured if row["differs"]], "data_set", "differs")
    if notes:
        ours = _methods_by(measured, "data_set")
        lines = []
        for (name, differs), methods in notes.items():
            of_some = "" if methods == ours[name,] else f" ({', '.join(methods)})"
            lines.append(f"- {DATA_SETS[name].title}{of_some}: {differs}.\n")
        yield f"What differs:\n\n{''.join(lines)}"


def _methods_by(rows: Sequence[Row], *keys: str) -> dict[tuple[str, ...], list[str]]:
    """The methods of the rows that have the same values of these keys, each once."""
    found: dict[tuple[str, ...], dict[str, None]] = {}
    for row in rows:
        found.setdefault(tuple(row[key] for key in keys), {})[row["method"]] = None
    return {key: list(methods) for key, methods in found.items()}


def _title(row: Row) -> str:
    title = DATA_SETS[row["data_set"]].title
    return f"{title}, {row['texture']}" if row["texture"] else title


def _signed(row: Row) -> str | None:
    return None if isnan(row["difference"]) else f"{row['difference']:+.3f}".replace("-", "−")


def _costs(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield f"## Costs\n\n{COSTS}"
    titles = [
        "table",
        "method",
        "pixels",
        "paper, seconds",
        "ours, seconds",
        "network, seconds",
        "times the network",
        "on",
    ]
    figures = ("size", "published", "ours", "trunk_seconds", "times_trunk", "device")
    yield markdown_table(
        titles,
        [[f"{row['paper']}, {row['table']}", row["method"], *(row[name] for name in figures)] for row in rows],
    )


def _default(rows: Sequence[Row]) -> Iterator[str]:
    if not rows:
        return
    yield "## firstsight's default detector on the same images\n"
    metrics = [name for name in rows[0] if name != "collection"]
    yield markdown_table(
        ["images", *(METRICS[metric] for metric in metrics)],
        [[row["collection"].removesuffix(f"__{DEFAULTS}"), *(row[metric] for metric in metrics)] for row in rows],
    )


def _missing(rows: Sequence[Row]) -> Iterator[str]:
    yield "## Not run\n"
    tables: dict[str, dict[str, None]] = {}
    for row in rows:
        if row["status"] == "missing":
            tables.setdefault(row["data_set"], {})[f"{row['paper']}, {row['table']}"] = None
    yield markdown_table(
        ["data set", "tables", "where it may be had"],
        [[DATA_SETS[name].title, "; ".join(those), DATA_SETS[name].where] for name, those in tables.items()],
    )
    # A cost that was not measured belongs to no data set that is there.
    not_run = [row for row in rows if row["status"] == "not run" and row["data_set"] is not None]
    aside = _methods_by(not_run, "paper", "table", "differs")
    yield "".join(
        f"- {paper}, {table}, {', '.join(methods)}: {why}.\n" for (paper, table, why), methods in aside.items()
    )
