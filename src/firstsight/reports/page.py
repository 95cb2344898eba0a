"""The page of a run: one static HTML file beside its pictures, readable without JavaScript and without a network."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
import pandas
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.overlays import CONTOUR_COLOUR, MASK_COLOUR

MOST_ANOMALOUS_SHOWN = 24
"""Cards among the most anomalous images of a detector."""

CLUSTER_SHOWN = 12
"""Cards of one cluster."""

METRIC_TITLES = {
    "pro": "PRO: overlap by region, up to 30 % false positives",
    "auroc": "AUROC of pixels",
    "average_precision": "average precision of pixels",
    "f1_max": "best F1 of pixels",
    "image_auroc": "AUROC of images",
    "nmi": "clusters: normalised mutual information",
    "ari": "clusters: adjusted Rand index",
    "matched_f1": "clusters: accuracy after matching to the labels",
    "nmi_oracle": "as nmi, the true number of clusters given",
    "ari_oracle": "as ari, the true number of clusters given",
    "matched_f1_oracle": "as matched_f1, the true number of clusters given",
}
"""What every metric measures, in the order of the page. A metric not listed comes last, under its bare name."""

_SUMMARY_METRICS = {"pro": "PRO", "auroc": "AUROC", "average_precision": "AP"}
_NOTHING = "–"


@dataclass(frozen=True)
class ImageCard:
    """One picture with what is known about it.

    Args:
        image: the image's name in its collection.
        overlay: its overlay, a PNG, relative to the page's folder, with forward slashes, not percent-encoded.
        score: the image's score, in the units of the map.
        area_share: anomalous share of the image's area, in [0, 1].
        label: its label, where there is one.
        cluster: the number of its cluster, -1 for those in none; None where it was not clustered.
        regions: number of its anomalous regions.
    """

    image: str
    overlay: str
    score: float
    area_share: float
    label: str | None
    cluster: int | None
    regions: int


@dataclass(frozen=True)
class ClusterReport:
    """One cluster of `n_images` images; `images` are cards of them, the first `CLUSTER_SHOWN` of which are shown.

    The card of the medoid comes first wherever it stands. Cluster -1 holds the images that are like no kind: they have
    no medoid.
    """

    cluster: int
    name: str
    n_images: int
    medoid: str | None
    images: tuple[ImageCard, ...]


@dataclass(frozen=True)
class DetectorReport:
    """What one detector found in one collection.

    Args:
        name: the detector's name in the config.
        settings: its settings, as one line of text.
        threshold: the collection's threshold, in the units of the map.
        scale: the values at the two ends of the overlays' colours.
        colour_bar: the legend drawn for that scale, a PNG, as `ImageCard.overlay`.
        metrics: rows of the `metrics` table (columns metric, value, crop, n_images, n_regions; crop is the share of the
            frame cut from each side); empty where there are neither masks nor labels.
        n_images: images with a map.
        n_anomalous: those of them with an anomalous region.
        n_regions: anomalous regions, all images together.
        n_clusters: number of clusters, 0 where the images were not clustered.
        n_outliers: images that are in none of them.
        clusters_chosen: one line that says how that number was found.
        images: cards to choose the most anomalous ones from (`MOST_ANOMALOUS_SHOWN` are shown), in any order.
        clusters: the clusters, in the order of the page.
    """

    name: str
    settings: str
    threshold: float
    scale: tuple[float, float]
    colour_bar: str
    metrics: pandas.DataFrame
    n_images: int
    n_anomalous: int
    n_regions: int
    n_clusters: int
    n_outliers: int
    clusters_chosen: str
    images: tuple[ImageCard, ...]
    clusters: tuple[ClusterReport, ...]


@dataclass(frozen=True)
class CollectionReport:
    """One collection: where it is, what its features were made with, what every detector found, what was set aside."""

    name: str
    path: str
    n_images: int
    n_set_aside: int
    extractor: str
    weights: str
    detectors: tuple[DetectorReport, ...]
    set_aside: tuple[tuple[str, str], ...]
    """(image, status) of the images set aside."""


@dataclass(frozen=True)
class Page:
    """Everything the page shows."""

    title: str
    version: str
    collections: tuple[CollectionReport, ...]


def write_page(path: Path, page: Page) -> None:
    """Write the page as one HTML file, beside its final name, and rename it when it is whole.

    It holds no date: the same results give the same bytes. Whatever comes from the data is escaped.

    Args:
        path: the HTML file. The overlays and colour bars are already there, at their paths relative to its folder.
        page: what to show.

    Raises:
        FirstsightError: a picture that is missing, no picture, or outside what a relative path can name.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("firstsight.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "count": _count, "percent": _percent, "metric": _metric}
    folder = path.parent
    text = environment.get_template("page.html.j2").render(
        page=page,
        collections=[_collection(folder, number, collection) for number, collection in enumerate(page.collections, 1)],
        summary_metrics=_SUMMARY_METRICS if _any_summary_metric(page) else {},
        contour_colour=f"rgb{CONTOUR_COLOUR}",
        mask_colour=f"rgb{MASK_COLOUR}",
    )
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.part")
    # A file name that is not valid Unicode must not cost the page.
    partial.write_text(text, encoding="utf-8", errors="replace")
    os.replace(partial, path)


def _collection(folder: Path, number: int, collection: CollectionReport) -> dict[str, Any]:
    """What the template shows of one collection: its report, and anchors and pictures worked out."""
    anchor = f"collection-{number}"
    return {
        "report": collection,
        "anchor": anchor,
        "detectors": [
            _detector(folder, f"{anchor}-detector-{place}", detector)
            for place, detector in enumerate(collection.detectors, 1)
        ],
    }


def _detector(folder: Path, anchor: str, detector: DetectorReport) -> dict[str, Any]:
    anchors = {cluster.cluster: f"{anchor}-cluster-{place}" for place, cluster in enumerate(detector.clusters, 1)}
    names = {cluster.cluster: cluster.name for cluster in detector.clusters}

    def cards(images: Sequence[ImageCard], medoid: str | None = None) -> list[dict[str, Any]]:
        return [
            {
                "image": card,
                "overlay": _picture(folder, card.overlay),
                "cluster_anchor": anchors.get(card.cluster) if card.cluster is not None else None,
                "cluster_name": names.get(card.cluster) if card.cluster is not None else None,
                "is_medoid": card.image == medoid,
            }
            for card in images
        ]

    by_score = sorted(detector.images, key=lambda card: (-card.score, card.image))
    clusters: list[dict[str, Any]] = []
    for cluster in detector.clusters:
        medoid_first = sorted(cluster.images, key=lambda card: card.image != cluster.medoid)
        shown = cards(medoid_first[:CLUSTER_SHOWN], cluster.medoid)
        clusters.append({"report": cluster, "anchor": anchors[cluster.cluster], "cards": shown})
    most_anomalous = cards(by_score[:MOST_ANOMALOUS_SHOWN])
    shown_cards = most_anomalous + [card for cluster in clusters for card in cluster["cards"]]
    return {
        "report": detector,
        "anchor": anchor,
        "any_folded": any(card["overlay"]["folded"] for card in shown_cards),
        "colour_bar": _picture(folder, detector.colour_bar),
        "summary": {metric: _whole_frame(detector.metrics, metric) for metric in _SUMMARY_METRICS},
        "metrics": _by_crop(detector.metrics),
        "cards": most_anomalous,
        "clusters": clusters,
    }


def _picture(folder: Path, relative: str) -> dict[str, Any]:
    """A picture's address and its size in pixels, so that the page keeps its place while it loads."""
    if relative.startswith("/"):
        raise FirstsightError(f"the page needs pictures by relative paths, not {relative}")
    try:
        with Image.open(folder / relative) as image:
            width, height = image.size
            # Of the overlays, those of strips in pieces alone have transparent gaps.
            folded = image.mode == "RGBA"
    except OSError as error:
        raise FirstsightError(f"the page needs the picture {folder / relative}: {error}") from error
    url = quote(relative, errors="surrogateescape")
    return {"url": url, "width": width, "height": height, "wide": width > 3 * height, "folded": folded}


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


def _missing(value: Any) -> bool:
    return bool(pandas.isna(value))


def _number(value: float | None) -> str:
    """Up to three significant digits, whole numbers from 1,000 on; an en dash where there is none."""
    if value is None or _missing(value):
        return _NOTHING
    if value == 0:
        return "0"
    if abs(value) >= 1e7 or 0 < abs(value) < 1e-4:
        return f"{value:.2e}".replace("-", "−")
    return (f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}").replace("-", "−")


def _metric(value: float | None) -> str:
    """A value in [0, 1] with three decimals; an en dash where it could not be computed."""
    return _NOTHING if _missing(value) else f"{value:.3f}"


def _count(value: int | None) -> str:
    return _NOTHING if value is None or _missing(value) else f"{int(value):,d}"


def _percent(share: float) -> str:
    """A share in [0, 1] as a percentage with a decimal, small ones not rounded to nothing."""
    if _missing(share):
        return _NOTHING
    return "<\u00a00.1\u00a0%" if 0 < share < 0.0005 else "0\u00a0%" if share == 0 else f"{100 * share:.1f}\u00a0%"
