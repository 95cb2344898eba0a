"""The page of a run: a static HTML file with its style, scripts and data, readable from disk without a network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.first_screen import DetectorCrops, crops_of
from firstsight.reports.overlays import CONTOUR_COLOUR, MASK_COLOUR, pieces_of, write_image
from firstsight.reports.page_data import page_order, page_summary, write_charts, write_images, write_script
from firstsight.reports.page_report import CollectionReport, DetectorReport, Page
from firstsight.reports.page_text import METRIC_TITLES, count, metric_value, number
from firstsight.reports.region_density import draw_density, region_density
from firstsight.reports.severity import by_severity
from firstsight.storage.replacing import replace_file, replace_folder

DATA = "data"
"""The folder beside the page with its style, scripts and data."""

SCRIPTS = (
    "data.js",
    "marks.js",
    "trial.js",
    "selection.js",
    "gallery.js",
    "pane.js",
    "viewer.js",
    "charts.js",
    "address.js",
    "start.js",
)
"""The scripts of the page, in the order in which they are loaded."""

MOST_LISTED = 50
"""How many images that may be no texture are listed by name; the table has them all."""

FEWEST_FOR_DENSITY = 3
"""Anomalous images from which on it is shown where their regions lie."""

_SUMMARY_METRICS = {"pro": "PRO", "auroc": "AUROC", "average_precision": "AP"}


def write_page(path: Path, page: Page) -> None:
    """Write the page: an HTML file, and beside it the folder ``data``. Both get their names when they are complete.

    Neither contains a date: the same results give the same bytes. Values from the data are escaped in the HTML and are
    plain strings in the scripts. A page opened from disk may not read files, so its data are scripts too: a summary,
    the images and their regions in chunks of 2,000 images, and the charts of every detector.

    Args:
        path: the HTML file. The overlays and colour bars already exist, at their paths relative to its folder. Crops of
            the worst regions, and of one region of each kind, are made from them.
        page: what to show.

    Raises:
        FirstsightError: a picture that is missing or none, or a path that is not relative.
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
    page = replace(
        page,
        collections=tuple(
            replace(collection, detectors=tuple(map(by_severity, collection.detectors)))
            for collection in page.collections
        ),
    )
    crops = [[crops_of(collection, detector) for detector in collection.detectors] for collection in page.collections]
    orders = [page_order(collection) for collection in page.collections]
    text = environment.get_template("page.html.j2").render(
        page=page,
        data=DATA,
        scripts=SCRIPTS,
        collections=[
            _collection(folder, place, collection, crops[place]) for place, collection in enumerate(page.collections)
        ],
        totals=_totals(page),
        most_listed=MOST_LISTED,
        summary_metrics=_SUMMARY_METRICS if _any_summary_metric(page) else {},
    )
    with replace_folder(folder / DATA) as data:
        colours = {"contour": f"rgb{CONTOUR_COLOUR}", "mask": f"rgb{MASK_COLOUR}"}
        style = environment.get_template("page.css.j2").render(**colours)
        (data / "page.css").write_text(style, encoding="utf-8")
        for script in SCRIPTS:
            source = files("firstsight.reports").joinpath("templates", script)
            (data / script).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
        write_script(
            data / "summary.js", "summary", page_summary(page.collections, orders, folders_of(page), page.verdicts)
        )
        for place, (collection, order) in enumerate(zip(page.collections, orders, strict=True)):
            for rank, (own, detector) in enumerate(zip(crops[place], collection.detectors, strict=True)):
                own.write(folder, data, place, rank)
                if detector.n_anomalous >= FEWEST_FOR_DENSITY:
                    density = region_density(detector.regions, collection.images)
                    write_image(data / _density_file(place, rank), draw_density(density))
            write_images(data, place, collection, order)
            write_charts(data, place, collection, order)
    # A file name that is not valid Unicode must not prevent the page.
    replace_file(path, lambda beside: beside.write_text(text, encoding="utf-8", errors="replace"))


def folders_of(page: Page) -> list[list[dict[str, str]]]:
    """For every collection and detector, the addresses of its overlays and its colour bar."""
    return [
        [
            {"folder": _address(detector.folder), "colour_bar": _address(detector.colour_bar)}
            for detector in collection.detectors
        ]
        for collection in page.collections
    ]


def _totals(page: Page) -> dict[str, int]:
    """Numbers over all collections. An image is anomalous if any detector found a region in it."""
    anomalous = 0
    for collection in page.collections:
        by_detector = [
            detector.image_results.index[detector.image_results["regions"].gt(0)] for detector in collection.detectors
        ]
        anomalous += len(set().union(*by_detector))
    return {
        "images": sum(collection.n_images for collection in page.collections),
        "anomalous": anomalous,
        "set_aside": sum(len(collection.set_aside) for collection in page.collections),
        "unread": sum(len(collection.unread) for collection in page.collections),
    }


def _collection(
    folder: Path, place: int, collection: CollectionReport, crops: Sequence[DetectorCrops]
) -> dict[str, Any]:
    """What the template needs for one collection: its report, anchors and pictures."""
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
                "crops": crops[number].addresses(place, number, DATA),
                "density": _density(detector, collection, f"{DATA}/{_density_file(place, number)}"),
            }
            for number, detector in enumerate(collection.detectors)
        ],
    }


def _density_file(place: int, number: int) -> str:
    return f"density-{place}-{number}.png"


def _density(detector: DetectorReport, collection: CollectionReport, url: str) -> dict[str, Any] | None:
    """The picture of where the regions of a detector lie, and how many images share the densest place."""
    if detector.n_anomalous < FEWEST_FOR_DENSITY:
        return None
    density = region_density(detector.regions, collection.images)
    return {"url": url, "width": density.shape[1], "height": density.shape[0], "most": float(density.max())}


def _address(relative: str) -> str:
    if relative.startswith("/"):
        raise FirstsightError(f"the page needs pictures by relative paths, not {relative}")
    return quote(relative, errors="surrogateescape")


def _picture(folder: Path, relative: str) -> dict[str, Any]:
    """A picture's address, and its size in pixels so that the page reserves its space while it loads."""
    url = _address(relative)
    try:
        with Image.open(folder / relative) as image:
            width, height = image.size
    except OSError as error:
        raise FirstsightError(f"the page needs the picture {folder / relative}: {error}") from error
    return {"url": url, "width": width, "height": height}


def _by_crop(metrics: pandas.DataFrame) -> list[dict[str, Any]]:
    """Metrics grouped by crop, the whole frame (crop 0) first; within a group in the order of `METRIC_TITLES`."""
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
