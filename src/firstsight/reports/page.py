"""The page of a run: a static HTML file, its style and scripts, and its data, readable from disk without a network."""

import os
import shutil
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.overlays import CONTOUR_COLOUR, MASK_COLOUR, overlay_name, pieces_of
from firstsight.reports.page_data import page_order, page_summary, write_charts, write_images, write_script
from firstsight.reports.page_report import CollectionReport, DetectorReport, Page
from firstsight.reports.page_text import METRIC_TITLES, count, metric_value, number

DATA = "data"
"""Folder beside the page with its style, scripts and data."""

SCRIPTS = ("data.js", "gallery.js", "viewer.js", "charts.js", "start.js")
"""Scripts of the page, in the order in which they are read."""

KINDS_PICTURED = 6
"""Kinds of a detector that the summary shows with a picture of their medoid."""

MOST_LISTED = 50
"""Images that may be no texture, by name; the table has them all."""

_SUMMARY_METRICS = {"pro": "PRO", "auroc": "AUROC", "average_precision": "AP"}


def write_page(path: Path, page: Page) -> None:
    """Write the page: an HTML file, and beside it the folder ``data``. Both are renamed when they are whole.

    Neither holds a date: the same results give the same bytes. Whatever comes from the data is escaped in the HTML, and
    is plain strings in the scripts. A page from disk may not read files, so that data are scripts too: a summary, the
    images in chunks of 2,000, their regions likewise, and the charts of each detector.

    Args:
        path: the HTML file. The overlays and colour bars are already there, at their paths relative to its folder.
        page: what to show.

    Raises:
        FirstsightError: a colour bar that is missing or no picture, or a path that is not relative.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("firstsight.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "count": count, "metric": metric_value}
    folder = path.parent
    orders = [page_order(collection) for collection in page.collections]
    text = environment.get_template("page.html.j2").render(
        page=page,
        data=DATA,
        scripts=SCRIPTS,
        collections=[_collection(folder, place, each) for place, each in enumerate(page.collections)],
        totals=_totals(page),
        most_listed=MOST_LISTED,
        summary_metrics=_SUMMARY_METRICS if _any_summary_metric(page) else {},
    )
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f".{DATA}.part"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    colours = {"contour": f"rgb{CONTOUR_COLOUR}", "mask": f"rgb{MASK_COLOUR}"}
    style = environment.get_template("page.css.j2").render(**colours)
    (partial / "page.css").write_text(style, encoding="utf-8")
    for script in SCRIPTS:
        source = files("firstsight.reports").joinpath("templates", script)
        (partial / script).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    write_script(partial / "summary.js", "summary", page_summary(page.collections, orders, folders_of(page)))
    for place, (collection, order) in enumerate(zip(page.collections, orders, strict=True)):
        write_images(partial, place, collection, order)
        write_charts(partial, place, collection, order)
    shutil.rmtree(folder / DATA, ignore_errors=True)
    os.replace(partial, folder / DATA)
    beside = path.with_name(f".{path.name}.part")
    # A file name that is not valid Unicode must not cost the page.
    beside.write_text(text, encoding="utf-8", errors="replace")
    os.replace(beside, path)


def folders_of(page: Page) -> list[list[dict[str, str]]]:
    """For every collection and detector, the addresses of its overlays and of its colour bar."""
    return [
        [{"folder": _address(each.folder), "colour_bar": _address(each.colour_bar)} for each in collection.detectors]
        for collection in page.collections
    ]


def _totals(page: Page) -> dict[str, int]:
    """What was found in all collections. An image is anomalous where any detector found a region in it."""
    anomalous = 0
    for collection in page.collections:
        found = [each.found.index[each.found["regions"].gt(0)] for each in collection.detectors]
        anomalous += len(set().union(*found))
    return {
        "images": sum(each.n_images for each in page.collections),
        "anomalous": anomalous,
        "set_aside": sum(len(each.set_aside) for each in page.collections),
    }


def _collection(folder: Path, place: int, collection: CollectionReport) -> dict[str, Any]:
    """What the template shows of one collection: its report, and anchors and pictures worked out."""
    anchor = f"collection-{place + 1}"
    images = collection.images.set_index("image")
    return {
        "report": collection,
        "place": place,
        "anchor": anchor,
        "any_strip": any(pieces_of(*size) > 1 for size in set(zip(images["height"], images["width"], strict=True))),
        "detectors": [
            {
                "report": detector,
                "place": number,
                "anchor": f"{anchor}-detector-{number + 1}",
                "colour_bar": _picture(folder, detector.colour_bar),
                "summary": {metric: _whole_frame(detector.metrics, metric) for metric in _SUMMARY_METRICS},
                "metrics": _by_crop(detector.metrics),
                "kinds": _kinds(detector, images["shard"]),
            }
            for number, detector in enumerate(collection.detectors)
        ],
    }


def _kinds(detector: DetectorReport, shards: pandas.Series) -> list[dict[str, Any]]:
    """The clusters of a detector, the first of them with the thumbnail of their medoid."""
    kinds = []
    for place, cluster in enumerate(detector.clusters):
        url = None
        if cluster.medoid is not None and place < KINDS_PICTURED:
            name = Path(overlay_name(cluster.medoid)).with_suffix(".webp")
            url = _address(f"{detector.folder}/{shards[cluster.medoid]}/thumbnails/{name}")
        kinds.append({"report": cluster, "url": url})
    return kinds


def _address(relative: str) -> str:
    if relative.startswith("/"):
        raise FirstsightError(f"the page needs pictures by relative paths, not {relative}")
    return quote(relative, errors="surrogateescape")


def _picture(folder: Path, relative: str) -> dict[str, Any]:
    """A picture's address and its size in pixels, so that the page keeps its place while it loads."""
    url = _address(relative)
    try:
        with Image.open(folder / relative) as image:
            width, height = image.size
    except OSError as error:
        raise FirstsightError(f"the page needs the picture {folder / relative}: {error}") from error
    return {"url": url, "width": width, "height": height}


def _by_crop(metrics: pandas.DataFrame) -> list[dict[str, Any]]:
    """Metrics in groups of one crop, the whole frame (crop 0) first; within a group in the order of `METRIC_TITLES`."""
    if metrics.empty:
        return []
    order = {name: place for place, name in enumerate(METRIC_TITLES)}
    rows: Sequence[Mapping[Any, Any]] = metrics.to_dict("records")
    groups = []
    for crop in sorted({float(row["crop"]) for row in rows}):
        chosen = [row for row in rows if float(row["crop"]) == crop]
        chosen.sort(key=lambda row: (order.get(row["metric"], len(order)), row["metric"]))
        title = "whole frame" if crop == 0 else f"without {100 * crop:g}\u00a0% of the frame on each side"
        groups.append(
            {"title": title, "rows": [{**row, "title": METRIC_TITLES.get(row["metric"], "")} for row in chosen]}
        )
    return groups


def _whole_frame(metrics: pandas.DataFrame, metric: str) -> float | None:
    if metrics.empty:
        return None
    values = metrics.loc[(metrics["metric"] == metric) & (metrics["crop"] == 0), "value"]
    return float(values.iloc[0]) if len(values) and not pandas.isna(values.iloc[0]) else None


def _any_summary_metric(page: Page) -> bool:
    return any(
        _whole_frame(detector.metrics, metric) is not None
        for collection in page.collections
        for detector in collection.detectors
        for metric in _SUMMARY_METRICS
    )
