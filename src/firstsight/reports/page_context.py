"""What the templates of the page and of the file of findings need: reports with anchors, pictures and counts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import numpy
import pandas
from numpy.typing import NDArray
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.changes import MOST_NAMED, Changes
from firstsight.reports.overlays import CONTOUR_COLOUR, MASK_COLOUR, pieces_of
from firstsight.reports.page_report import CollectionReport, Page
from firstsight.reports.page_text import METRIC_TITLES, count, image_anchor, metric_value, number
from firstsight.reports.prepared_page import PreparedDetector, PreparedPage

DATA = "data"
"""The folder beside the page with its style, scripts and data."""

MOST_LISTED = 50
"""How many images that may be no texture are listed by name; the table has them all."""

SUMMARY_METRICS = {"pro": "PRO", "auroc": "AUROC", "average_precision": "AP"}
"""The metrics of the first screen, and what they are called there."""


def page_environment() -> jinja2.Environment:
    """The templates, which escape what they are given."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("firstsight.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "count": count, "metric": metric_value}
    return environment


def page_style(environment: jinja2.Environment) -> str:
    """The style of the page."""
    colours = {"contour": f"rgb{CONTOUR_COLOUR}", "mask": f"rgb{MASK_COLOUR}"}
    return environment.get_template("page.css.j2").render(**colours)


def page_context(folder: Path, prepared: PreparedPage) -> dict[str, Any]:
    """What a template is rendered with.

    Args:
        folder: of the page.
        prepared: the page, and what is shown of every detector.

    Raises:
        FirstsightError: a colour bar that is missing or none, or a path that is not relative.
    """
    page = prepared.page
    return {
        "page": page,
        "data": DATA,
        "collections": [
            _collection(folder, place, collection, prepared.detectors[place])
            for place, collection in enumerate(page.collections)
        ],
        "most_named": MOST_NAMED,
        "totals": _totals(page),
        "most_listed": MOST_LISTED,
        "summary_metrics": SUMMARY_METRICS if _any_summary_metric(page) else {},
    }


def folders_of(page: Page) -> list[list[dict[str, str]]]:
    """For every collection and detector, the addresses of its overlays and its colour bar."""
    return [
        [
            {"folder": address_of(detector.folder), "colour_bar": address_of(detector.colour_bar)}
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
    folder: Path, place: int, collection: CollectionReport, shown: Sequence[PreparedDetector]
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
                "summary": {metric: _whole_frame(detector.metrics, metric) for metric in SUMMARY_METRICS},
                "metrics": _by_crop(detector.metrics),
                "crops": shown[number].crops.addresses(place, number, DATA),
                "density": _density(shown[number].density, f"{DATA}/{density_file(place, number)}"),
                "changes": _changes(shown[number].changes, collection.name, detector.name),
            }
            for number, detector in enumerate(collection.detectors)
        ],
    }


def _density(density: NDArray[numpy.float64] | None, url: str) -> dict[str, Any] | None:
    """The picture of where the regions of a detector lie, and how many images share the densest place."""
    if density is None:
        return None
    return {"url": url, "width": density.shape[1], "height": density.shape[0], "most": float(density.max())}


def _changes(changes: Changes, collection: str, detector: str) -> dict[str, Any] | None:
    """What has changed, each image that is named with the address at which the page shows it."""
    if not changes:
        return None
    addresses = {
        title: [(image, image_anchor(collection, detector, image)) for image in images]
        for title, images in (
            ("newly called anomalous", changes.newly),
            ("no longer called anomalous", changes.no_longer),
        )
        if images
    }
    return {"images": addresses, "lines": changes.lines}


def density_file(place: int, number: int) -> str:
    """The file, in the folder of data, of the picture of where a detector's regions lie."""
    return f"density-{place}-{number}.png"


def address_of(relative: str) -> str:
    """A path relative to the page's folder as an address.

    Raises:
        FirstsightError: it is not relative.
    """
    if relative.startswith("/"):
        raise FirstsightError(f"the page needs pictures by relative paths, not {relative}")
    return quote(relative, errors="surrogateescape")


def _picture(folder: Path, relative: str) -> dict[str, Any]:
    """A picture's address, and its size in pixels so that the page reserves its space while it loads."""
    url = address_of(relative)
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
        for metric in SUMMARY_METRICS
    )
