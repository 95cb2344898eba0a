"""Stage compare: how good every detector's maps of a collection are, and where two of them disagree most."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.collections.images import read_row
from firstsight.collections.masks import read_row_masks
from firstsight.evaluation.disagreement import disagreement
from firstsight.reports.markdown import markdown_table
from firstsight.reports.side_by_side import MapPair, draw_map_pairs
from firstsight.stages.evaluate import localization_rows
from firstsight.stages.job import Job
from firstsight.stages.study import write_parquet
from firstsight.storage.geometry import map_to_pixels
from firstsight.storage.replacing import replace_file
from firstsight.storage.stored_images import read_images
from firstsight.storage.stored_maps import StoredMap, stored_maps
from firstsight.storage.tables import read_table

LONGEST_SIDE = 128
"""Maps are compared on a grid of so many points along the longer side of the image."""

DRAWN = 4
MENTIONED = 5
COLUMNS = ("collection", "detector", "other", "n_images", "disagreement", "image", "largest")

Maps = Mapping[str, Mapping[str, StoredMap]]
"""Maps by detector and image."""


def compare_maps(
    *,
    maps: Mapping[str, Sequence[Path]],
    manifests: Sequence[Path],
    truths: Sequence[Path],
    collection: str,
    metrics: Path,
    pairs: Path,
    picture: Path,
    job: Job,
) -> None:
    """Measure every detector on a collection, and how much every two of them disagree.

    Args:
        maps: stores of maps of all shards, by detector.
        manifests, truths: files of all shards.
        collection: name for the table.
        metrics: Parquet to make, with the columns detector, metric, value and crop: one row for each metric of the
            whole frame that is defined (`localization_rows`), and one for ``n_images``, how many images have a map.
        pairs: Parquet to make, one row for every two detectors with an image in common: collection, detector, other,
            n_images (of which both have a map), disagreement (mean over these), image and largest (where they disagree
            most, and how much).
        picture: PNG to make of the images on which two detectors disagree most.
    """
    images = read_images(manifests, truths).set_index("image")
    stored = {
        name: {entry.image: entry for entry in stored_maps(shards) if entry.status == "ok"}
        for name, shards in maps.items()
    }
    with job.step("metrics"):
        figures = [
            (detector, metric, value)
            for detector, own in job.progress(stored.items(), len(stored), unit="detectors")
            for metric, value in _figures(own, images).items()
        ]
    write_parquet(metrics, pandas.DataFrame(figures, columns=["detector", "metric", "value"]).assign(crop=0.0))
    with job.step("disagreement"):
        rows = [{"collection": collection, **row} for row in _disagreements(stored)]
    table = pandas.DataFrame(rows, columns=list(COLUMNS))
    write_parquet(pairs, table)
    with job.step("draw"):
        drawn = [_pair(row, stored, images) for row in _most_telling(table)]
        replace_file(picture, lambda path: draw_map_pairs(path, drawn))
    job.n_images = len(images)


def join_disagreements(*, pairs: Sequence[Path], table: Path, markdown: Path) -> None:
    """Join the tables of `compare_maps`, and write the pairs that disagree most on each collection as text."""
    joined = pandas.concat([read_table(part) for part in pairs], ignore_index=True).astype({"n_images": "int64"})
    write_parquet(table, joined)
    by_collection = joined.groupby("collection", sort=False)
    most = [line for _, own in by_collection for line in own.nlargest(MENTIONED, "disagreement").to_numpy().tolist()]
    titles = ["collection", "detector", "other", "images of both", "disagreement", "most on", "there"]
    text = f"## Where they disagree most\n\n{markdown_table(titles, most)}"
    replace_file(markdown, lambda path: path.write_text(text, encoding="utf-8"))


def _figures(stored: Mapping[str, StoredMap], images: pandas.DataFrame) -> dict[str, float]:
    stores = {image: entry.reader.path for image, entry in stored.items()}
    values = {row["metric"]: row["value"] for row in localization_rows(stores, images, intervals=False)}
    return {metric: value for metric, value in values.items() if np.isfinite(value)} | {"n_images": len(stored)}


def _disagreements(stored: Maps) -> list[dict[str, Any]]:
    by_pair: dict[tuple[str, str], dict[str, float]] = {pair: {} for pair in combinations(stored, 2)}
    for image in sorted({image for maps in stored.values() for image in maps}):
        names = [name for name, maps in stored.items() if image in maps]
        if len(names) < 2:
            continue
        between = disagreement(np.stack([_on_grid(stored[name][image]) for name in names]))
        for first, second in combinations(range(len(names)), 2):
            by_pair[names[first], names[second]][image] = float(between[first, second])
    return [
        {
            "detector": detector,
            "other": other,
            "n_images": len(by_image),
            "disagreement": float(np.mean(list(by_image.values()))),
            "image": max(by_image, key=by_image.__getitem__),
            "largest": max(by_image.values()),
        }
        for (detector, other), by_image in by_pair.items()
        if by_image
    ]


def _on_grid(stored: StoredMap) -> NDArray[np.float32]:
    geometry = stored.geometry
    assert geometry is not None
    factor = min(1.0, LONGEST_SIDE / max(geometry.height, geometry.width))
    height, width = max(2, round(geometry.height * factor)), max(2, round(geometry.width * factor))
    return map_to_pixels(stored.cells(), replace(geometry, height=height, width=width)).ravel()


def _most_telling(pairs: pandas.DataFrame) -> list[dict[Any, Any]]:
    """The pairs that disagree most on an image: no image twice, and no detector twice as the first of the two."""
    ranked = pairs.sort_values("largest", ascending=False, kind="stable")
    return ranked.drop_duplicates("image").drop_duplicates("detector").head(DRAWN).to_dict("records")


def _pair(row: Mapping[Any, Any], stored: Maps, images: pandas.DataFrame) -> MapPair:
    image = images.loc[row["image"]].to_dict()
    return MapPair(
        title=f"{row['image']} ({row['largest']:.2f})",
        image=read_row(image),
        mask=read_row_masks(image),
        maps={name: stored[name][row["image"]].pixels() for name in (row["detector"], row["other"])},
    )
