"""The data of the page, as scripts that each call one function of it: a page from disk may not read other files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy
import pandas
from numpy.typing import NDArray

from firstsight.reports.overlays import overlay_name, pieces_of
from firstsight.reports.page_report import CollectionReport, DetectorReport

CHUNK_ROWS = 2_000
"""Images of one file of data."""

FRONT_OF_CLUSTER = 12
"""Images of a cluster that are shown before all are asked for; they stand in the first chunks."""

MOST_BINS = 40
_DIGITS = 5


def page_order(collection: CollectionReport) -> list[str]:
    """The images of a collection in the order of the page's data.

    By the clusters of the first detector, outliers last; within a cluster the medoid first, then by distance. But the
    first 12 of every cluster come before all others, so that the first chunk is enough to show the clusters.
    """
    if not collection.detectors:
        return list(collection.images["image"])
    first = collection.detectors[0]
    medoids = {cluster.medoid for cluster in first.clusters}
    table = collection.images[["image"]].join(first.found[["cluster", "distance"]], on="image")
    cluster = table["cluster"].astype("Float64").fillna(numpy.inf).replace(-1, 1e9)
    table = table.assign(cluster=cluster, other=~table["image"].isin(medoids))
    table = table.sort_values(["cluster", "other", "distance", "image"], kind="stable")
    front = table.groupby("cluster").cumcount().lt(FRONT_OF_CLUSTER)
    return [*table.loc[front, "image"], *table.loc[~front, "image"]]


def page_summary(
    collections: Sequence[CollectionReport],
    orders: Sequence[Sequence[str]],
    folders: Sequence[Sequence[Mapping[str, str]]],
) -> dict[str, Any]:
    """What the scripts must know before any image: collections, their detectors, thresholds and clusters.

    Args:
        collections: of the page.
        orders: for each the images in the order of the data.
        folders: for each, and each of its detectors, the addresses ``folder`` and ``colour_bar``.
    """
    return {
        "chunkRows": CHUNK_ROWS,
        "front": FRONT_OF_CLUSTER,
        "collections": [
            {
                "name": collection.name,
                "rows": len(order),
                "shards": _shards(collection),
                "detectors": [
                    {
                        "name": detector.name,
                        "folder": addresses["folder"],
                        "colourBar": addresses["colour_bar"],
                        "threshold": detector.threshold,
                        "clusters": _clusters(detector, order),
                    }
                    for detector, addresses in zip(collection.detectors, own, strict=True)
                ],
            }
            for collection, order, own in zip(collections, orders, folders, strict=True)
        ],
    }


def write_images(folder: Path, place: int, collection: CollectionReport, order: Sequence[str]) -> None:
    """Write the images of a collection, and their regions, by columns in chunks of `CHUNK_ROWS`.

    Args:
        folder: where to write ``images-<place>-<chunk>.js`` and ``regions-<place>-<chunk>.js``.
        place: of the collection on the page.
        collection: whose images.
        order: the images in the order of the data: an image is known by its place in it.
    """
    images = collection.images.set_index("image").loc[list(order)]
    found = [detector.found.reindex(images.index) for detector in collection.detectors]
    rows = pandas.Series(range(len(order)), index=images.index)
    regions = [each.regions.assign(row=each.regions["image"].map(rows)) for each in collection.detectors]
    shards = {shard: number for number, shard in enumerate(_shards(collection))}
    for chunk, start in enumerate(range(0, len(order), CHUNK_ROWS)):
        part = images.iloc[start : start + CHUNK_ROWS]
        columns = {
            "image": list(part.index),
            "file": [overlay_name(image).removesuffix(".png") for image in part.index],
            "shard": [shards[shard] for shard in part["shard"]],
            "label": _column(part["label"]),
            "width": _column(part["width"]),
            "height": _column(part["height"]),
            "pieces": [pieces_of(*size) for size in zip(part["height"], part["width"], strict=True)],
        }
        detectors = [
            {name: _column(each[name].iloc[start : start + CHUNK_ROWS]) for name in each.columns} for each in found
        ]
        of_rows = [each[each["row"].between(start, start + CHUNK_ROWS - 1)] for each in regions]
        shown = ("row", "x", "y", "width", "height", "area", "score_max", "score_mean", "cluster_name")
        place_and_start = {"collection": place, "start": start}
        write_script(
            folder / f"images-{place}-{chunk}.js",
            "images",
            {**place_and_start, "columns": columns, "detectors": detectors},
        )
        write_script(
            folder / f"regions-{place}-{chunk}.js",
            "regions",
            {**place_and_start, "detectors": [{name: _column(each[name]) for name in shown} for each in of_rows]},
        )


def write_charts(folder: Path, place: int, collection: CollectionReport, order: Sequence[str]) -> None:
    """Write what the charts of each detector are drawn from, as ``charts-<place>-<detector>.js``."""
    rows = {image: row for row, image in enumerate(order)}
    for number, detector in enumerate(collection.detectors):
        charts = detector.charts
        kept = [(rows[image], *point) for image, point in zip(charts["images"], charts["points"], strict=True)]
        content = {
            "collection": place,
            "detector": number,
            "histogram": histogram(detector.found["score"].to_numpy(float), detector.threshold),
            "scatter": {
                "method": charts["method"],
                "row": [row for row, *_ in kept],
                "x": [_rounded(x) for _, x, _ in kept],
                "y": [_rounded(y) for *_, y in kept],
            },
            "tree": charts["tree"],
        }
        write_script(folder / f"charts-{place}-{number}.js", "charts", content)


def histogram(scores: NDArray[numpy.float64], threshold: float) -> dict[str, Any]:
    """Numbers of images by score, in equal bins that hold all of them: {low, high, counts}.

    Args:
        scores: (N,), finite; about as many bins as the root of N, from 8 to 40.
        threshold: where it lies among the scores, it is an edge between two bins.
    """
    if len(scores) == 0:
        return {"low": 0.0, "high": 0.0, "counts": []}
    least, most = float(scores.min()), float(scores.max())
    bins = int(numpy.clip(numpy.sqrt(len(scores)), 8, MOST_BINS))
    edges = numpy.histogram_bin_edges(scores, bins)
    width = edges[1] - edges[0]
    if least < threshold < most:
        below, above = numpy.ceil((threshold - least) / width), numpy.ceil((most - threshold) / width)
        edges = threshold + width * numpy.arange(-below, above + 1)
    # Rounding must not cost the images at the ends.
    edges[0], edges[-1] = min(edges[0], least), max(edges[-1], most)
    counts, _ = numpy.histogram(scores, edges)
    return {"low": _rounded(edges[0]), "high": _rounded(edges[-1]), "counts": counts.tolist()}


def write_script(path: Path, function: str, content: Any) -> None:
    """Write a script that gives data to the page: ``firstsight.<function>(<content>)``.

    Pure ASCII: whatever the data holds stays within its strings, and is never taken for HTML either.
    """
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(f"firstsight.{function}({text});\n", encoding="ascii")


def _shards(collection: CollectionReport) -> list[str]:
    return sorted(set(collection.images["shard"]))


def _clusters(detector: DetectorReport, order: Sequence[str]) -> list[dict[str, Any]]:
    rows = {image: row for row, image in enumerate(order)}
    return [
        {
            "number": cluster.cluster,
            "name": cluster.name,
            "images": cluster.n_images,
            "medoid": None if cluster.medoid is None else rows[cluster.medoid],
        }
        for cluster in detector.clusters
    ]


def _column(values: pandas.Series) -> list[Any]:
    """Values as JSON has them: null for what is missing, floats with five significant digits."""
    return [
        None if pandas.isna(value) else _rounded(value) if isinstance(value, float) else value
        for value in values.tolist()
    ]


def _rounded(value: float) -> float | int:
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e6 else short
