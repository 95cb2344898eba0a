"""The page of groups of collections: how often each kind occurs where and when, and a gallery of each over all
collections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from firstsight.reports.crops import CROP_SIZE, Box, box_of, crop_region
from firstsight.reports.overlays import write_image
from firstsight.reports.page_context import page_environment, page_style
from firstsight.reports.page_text import METRIC_TITLES, image_anchor
from firstsight.storage.replacing import replace_folder

MOST_SHOWN = 24
"""How many images of a kind the gallery shows."""

SHADES = 10
"""Steps of the colour behind a share of the matrix."""

FORMS_OF_PERIODS = {"hour": "%Y-%m-%d %H:00", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}
"""How a period is written, by its unit."""


@dataclass(frozen=True)
class Shown:
    """An image in the gallery of a kind.

    Args:
        collection, image: its names.
        folder: the pictures of its shard.
        size: its width and height in pixels.
        box: of its strongest region; None: the whole image is shown.
    """

    collection: str
    image: str
    folder: Path
    size: tuple[int, int]
    box: Box | None


@dataclass(frozen=True)
class GroupReport:
    """What was found in one group by one detector.

    Args:
        group, detector: their names.
        says: whether textures differ, and how the number of kinds came about, in sentences.
        matrix: rows of the table `kinds_by_collection`.
        periods: rows of the table `kinds_by_time`; none where no time is known.
        metrics: rows of the table `group_metrics`.
        gallery: for each kind, by its number, the images to show (`chosen_images`).
    """

    group: str
    detector: str
    says: tuple[str, ...]
    matrix: pandas.DataFrame
    periods: pandas.DataFrame
    metrics: pandas.DataFrame
    gallery: Mapping[int, tuple[Shown, ...]]


def chosen_images(rows: pandas.DataFrame) -> pandas.DataFrame:
    """The images of a kind that stand for it in the gallery: in turn the most typical one of each collection.

    Args:
        rows: of the table `group_clusters`, of one kind, without regions.
    """
    ordered = rows.sort_values(["distance", "collection", "image"])
    turn = ordered.groupby("collection").cumcount()
    return ordered.assign(turn=turn).sort_values(["turn", "collection"], kind="stable").head(MOST_SHOWN)


def write_group_page(folder: Path, groups: Sequence[GroupReport], version: str) -> None:
    """Write ``index.html`` with its style and crops as one folder, beside the page of the run.

    Raises:
        FirstsightError: a drawing that is missing or no picture.
    """
    environment = page_environment()
    with replace_folder(folder) as partial:
        sections = [_section(partial, place, report) for place, report in enumerate(groups)]
        text = environment.get_template("groups.html.j2").render(
            version=version, sections=sections, crop_width=CROP_SIZE[0], crop_height=CROP_SIZE[1]
        )
        (partial / "index.html").write_text(text, encoding="utf-8", errors="replace")
        (partial / "page.css").write_text(page_style(environment), encoding="utf-8")


def _section(folder: Path, place: int, report: GroupReport) -> dict[str, Any]:
    """What the template needs for one group and detector; its crops are drawn into the folder."""
    collections = sorted(set(report.matrix["collection"]))
    return {
        "report": report,
        "anchor": f"group-{place + 1}",
        "collections": collections,
        "in_order_of_time": set(collections) <= set(report.periods["collection"]),
        "periods": _over_time(report.periods),
        "kinds": [_kind(folder, place, int(str(number)), rows, report) for number, rows in _by_kind(report.matrix)],
        "metrics": [
            {**row, "title": METRIC_TITLES.get(row["metric"], "")} for row in report.metrics.to_dict("records")
        ],
    }


def _by_kind(matrix: pandas.DataFrame) -> list[tuple[int, pandas.DataFrame]]:
    """The rows of each kind: anomalies first, then what is in none, the normal images last."""
    parts = [(int(str(number)), rows) for number, rows in matrix.groupby("cluster")]
    return sorted(parts, key=lambda part: (part[0] == 0, part[0] < 0, part[0]))


def _kind(folder: Path, place: int, number: int, rows: pandas.DataFrame, report: GroupReport) -> dict[str, Any]:
    shown = []
    for index, image in enumerate(report.gallery.get(number, ())):
        name = f"crop-{place}-{number}-{index}.webp"
        write_image(folder / name, crop_region(image.folder, image.image, image.size, image.box))
        address = image_anchor(image.collection, report.detector, image.image)
        shown.append({"url": name, "collection": image.collection, "image": image.image, "address": address})
    cells = rows.sort_values("collection")
    return {
        "name": str(rows["cluster_name"].iloc[0]),
        "anchor": f"group-{place + 1}-kind-{number}",
        "n_images": int(rows["n_images"].sum()),
        "cells": _shaded(cells),
        "shown": shown,
    }


def _shaded(cells: pandas.DataFrame) -> list[dict[str, Any]]:
    shades = np.ceil(SHADES * cells["share"]).astype(int)
    return [{str(key): value for key, value in cell.items()} for cell in cells.assign(shade=shades).to_dict("records")]


def _over_time(rows: pandas.DataFrame) -> dict[str, Any] | None:
    """The names of the periods, and the cells of each kind in all collections together; None of no period."""
    if rows.empty:
        return None
    unit = str(rows["unit"].iloc[0])
    sums = rows.groupby(["cluster", "cluster_name", "period"])["n_images"].sum().rename("n_images").reset_index()
    sums["share"] = sums["n_images"] / sums.groupby("period")["n_images"].transform("sum")
    return {
        "unit": unit,
        "names": [period.strftime(FORMS_OF_PERIODS[unit]) for period in sorted(set(sums["period"]))],
        "kinds": [
            {"name": str(part["cluster_name"].iloc[0]), "cells": _shaded(part.sort_values("period"))}
            for _, part in _by_kind(sums)
        ],
    }


def shown_image(row: dict[str, Any], region: dict[str, Any] | None, overlays: Path) -> Shown:
    """An image of the gallery, with its strongest region.

    Args:
        row: of the table `images`.
        region: of the table `regions`; None: it has none.
        overlays: folder of the overlays of its collection.
    """
    size = int(row["width"]), int(row["height"])
    image = str(row["image"])
    return Shown(str(row["collection"]), image, overlays / str(row["shard"]), size, box_of(region, size))
