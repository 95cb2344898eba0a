"""The data of the page, as scripts that call the page's functions: a page opened from disk may not read other files."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy
import pandas
from numpy.typing import NDArray

from firstsight.clustering.verdicts import Verdict
from firstsight.reports.image_notes import NOTES
from firstsight.reports.overlays import pieces_of
from firstsight.reports.page_report import CollectionReport, DetectorReport
from firstsight.reports.picture_files import GROUPS, PLACES, name_in_files
from firstsight.reports.severity import image_strengths

CHUNK_ROWS = 2_000
"""Images per data file."""

FRONT_OF_CLUSTER = 12
"""Images of a cluster that are shown before the user asks for all; they are in the first chunks."""

WORST_FIRST = 60
"""The worst images of a collection, with which the gallery begins; they are in the first chunk, too."""

MOST_BINS = 40
_DIGITS = 5


def page_order(collection: CollectionReport) -> list[str]:
    """The images of a collection in the order of the page's data.

    Sorted by the clusters of the first detector, in the order that they have there, images that were not clustered
    last; within a cluster the medoid first, then by distance. But the first 12 of every cluster and the 60 worst images
    come before all others, so that the first chunk is enough to show the clusters and the worst.
    """
    if not collection.detectors:
        return list(collection.images["image"])
    first = collection.detectors[0]
    medoids = {cluster.medoid for cluster in first.clusters}
    table = collection.images[["image"]].join(first.image_results[["cluster", "distance"]], on="image")
    places = {cluster.cluster: place for place, cluster in enumerate(first.clusters)}
    cluster = table["cluster"].map(places).astype(float).fillna(numpy.inf)
    table = table.assign(cluster=cluster, other=~table["image"].isin(medoids))
    table = table.sort_values(["cluster", "other", "distance", "image"], kind="stable")
    front = table.groupby("cluster").cumcount().lt(FRONT_OF_CLUSTER)
    results = first.image_results.assign(strength=image_strengths(first))
    worst = set(results.sort_values(["strength", "score"], ascending=False, kind="stable").index[:WORST_FIRST])
    soon = ~front & table["image"].isin(worst)
    return [*table.loc[front, "image"], *table.loc[soon, "image"], *table.loc[~front & ~soon, "image"]]


def page_summary(
    collections: Sequence[CollectionReport],
    orders: Sequence[Sequence[str]],
    folders: Sequence[Sequence[Mapping[str, str]]],
    verdicts: Sequence[Verdict] = (),
) -> dict[str, Any]:
    """What the scripts need before any image: the collections, their detectors and clusters.

    Args:
        collections: of the page.
        orders: for each collection, its images in the order of the data.
        folders: for each collection and each of its detectors, the addresses ``folder`` and ``colour_bar``.
        verdicts: that the run was given.
    """
    return {
        "chunkRows": CHUNK_ROWS,
        "front": FRONT_OF_CLUSTER,
        "notes": list(NOTES),
        "pictureGroups": GROUPS,
        "pictures": {layer: place._asdict() for layer, place in PLACES.items()},
        "noted": _note_bits({note for each in collections for notes in each.images["notes"] for note in notes}),
        "verdicts": [_verdict(verdict) for verdict in verdicts],
        "collections": [
            {
                "name": collection.name,
                "rows": len(order),
                "shards": _shards(collection),
                "originals": collection.originals,
                "detectors": [
                    {
                        "name": detector.name,
                        "limit": None if detector.otsu else detector.threshold,
                        "rate": detector.rate,
                        "folder": addresses["folder"],
                        "colourBar": addresses["colour_bar"],
                        "clusters": _clusters(detector, order),
                    }
                    for detector, addresses in zip(collection.detectors, detector_folders, strict=True)
                ],
            }
            for collection, order, detector_folders in zip(collections, orders, folders, strict=True)
        ],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    box = dict(zip(("x", "y", "width", "height"), verdict.box or ("",) * 4, strict=True))
    names = {key: getattr(verdict, key) for key in ("collection", "detector", "image", "verdict", "name")}
    return {**names, **box}


def write_images(folder: Path, place: int, collection: CollectionReport, order: Sequence[str]) -> None:
    """Write the images of a collection and their regions, column by column, in chunks of `CHUNK_ROWS` images.

    Args:
        folder: where to write ``images-<place>-<chunk>.js`` and ``regions-<place>-<chunk>.js``.
        place: of the collection on the page.
        collection: the collection.
        order: the images in the order of the data; the scripts identify an image by its position.
    """
    images = collection.images.set_index("image").loc[list(order)]
    rows = pandas.Series(range(len(order)), index=images.index)
    detector_images = [
        detector.image_results.assign(
            strength=image_strengths(detector), peak=detector.regions.groupby("image")["score_max"].max()
        ).reindex(images.index)
        for detector in collection.detectors
    ]
    detector_regions = [
        detector.regions.assign(row=detector.regions["image"].map(rows)) for detector in collection.detectors
    ]
    shards = {shard: number for number, shard in enumerate(_shards(collection))}
    for chunk, start in enumerate(range(0, len(order), CHUNK_ROWS)):
        part = images.iloc[start : start + CHUNK_ROWS]
        columns = {
            "image": list(part.index),
            "file": [name_in_files(image) for image in part.index],
            "shard": [shards[shard] for shard in part["shard"]],
            "label": _column(part["label"]),
            "width": _column(part["width"]),
            "height": _column(part["height"]),
            "pieces": [pieces_of(*size) for size in zip(part["height"], part["width"], strict=True)],
            "notes": [_note_bits(notes) for notes in part["notes"]],
            "original": [
                _original(*row, collection.originals) for row in zip(part.index, part["original"], strict=True)
            ],
            "native": [int(native) for native in part["native"]],
        }
        chunk_images = [table.iloc[start : start + CHUNK_ROWS] for table in detector_images]
        chunk_regions = [table[table["row"].between(start, start + CHUNK_ROWS - 1)] for table in detector_regions]
        region_columns = ("row", "x", "y", "width", "height", "area", "score_max", "score_mean", "cluster_name")
        place_and_start = {"collection": place, "start": start}
        write_script(
            folder / f"images-{place}-{chunk}.js",
            "images",
            {
                **place_and_start,
                "columns": columns,
                "detectors": [_columns(table, table.columns) for table in chunk_images],
            },
        )
        write_script(
            folder / f"regions-{place}-{chunk}.js",
            "regions",
            {**place_and_start, "detectors": [_columns(table, region_columns) for table in chunk_regions]},
        )


def write_charts(folder: Path, place: int, collection: CollectionReport, order: Sequence[str]) -> None:
    """Write the data of every detector's charts, as ``charts-<place>-<detector>.js``."""
    rows = {image: row for row, image in enumerate(order)}
    for number, detector in enumerate(collection.detectors):
        charts = detector.charts
        points = [(rows[image], *point) for image, point in zip(charts["images"], charts["points"], strict=True)]
        content = {
            "collection": place,
            "detector": number,
            "histogram": histogram(
                detector.image_results["score"].to_numpy(float), detector.image_results["regions"].to_numpy() > 0
            ),
            "scatter": {
                "method": charts["method"],
                "row": [row for row, *_ in points],
                "x": [_rounded(x) for _, x, _ in points],
                "y": [_rounded(y) for *_, y in points],
                "near": charts.get("near", []),
            },
            "tree": charts["tree"],
        }
        write_script(folder / f"charts-{place}-{number}.js", "charts", content)


def histogram(scores: NDArray[numpy.float64], anomalous: NDArray[numpy.bool_]) -> dict[str, Any]:
    """Count images by score, in equal bins that cover all scores: {low, high, counts, anomalous}.

    Args:
        scores: (N,), finite; there are about sqrt(N) bins, from 8 to 40.
        anomalous: (N,) which of them are counted in ``anomalous`` too.
    """
    if len(scores) == 0:
        return {"low": 0.0, "high": 0.0, "counts": [], "anomalous": []}
    edges = numpy.histogram_bin_edges(scores, int(numpy.clip(numpy.sqrt(len(scores)), 8, MOST_BINS)))
    return {
        "low": _rounded(edges[0]),
        "high": _rounded(edges[-1]),
        "counts": numpy.histogram(scores, edges)[0].tolist(),
        "anomalous": numpy.histogram(scores[anomalous], edges)[0].tolist(),
    }


def write_script(path: Path, function: str, content: Any) -> None:
    """Write a script that passes data to the page: ``firstsight.<function>(<content>)``.

    It is pure ASCII: nothing in the data can end a string or be taken for HTML.
    """
    text = json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    path.write_text(f"firstsight.{function}({text});\n", encoding="ascii")


def _note_bits(notes: Iterable[str]) -> int:
    """A bit for each note, in the order of `NOTES`."""
    return sum(1 << NOTES.index(note) for note in notes)


def _original(image: str, address: str | None, common: str) -> str | None:
    """The address of an image's file; empty where its name, below the common folder, says it."""
    return "" if address == common + quote(image, errors="surrogateescape") else address


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
            "support": None if cluster.support is None else round(cluster.support, 2),
        }
        for cluster in detector.clusters
    ]


def _columns(table: pandas.DataFrame, names: Iterable[str]) -> dict[str, list[Any]]:
    return {name: _column(table[name]) for name in names}


def _column(values: pandas.Series) -> list[Any]:
    """Values for JSON: null if missing, floats with five significant digits."""
    return [
        None if pandas.isna(value) else _rounded(value) if isinstance(value, float) else value
        for value in values.tolist()
    ]


def _rounded(value: float) -> float | int:
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e6 else short
