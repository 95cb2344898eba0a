"""Stage compare: every detector on a collection, side by side, and where two of them disagree most."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.collections.images import read_mask, read_row
from firstsight.evaluation.disagreement import disagreement
from firstsight.reports.markdown import markdown_table
from firstsight.reports.side_by_side import MapPair, draw_map_pairs
from firstsight.stages.evaluate import localization_rows
from firstsight.stages.job import Job
from firstsight.storage.geometry import map_to_pixels
from firstsight.storage.json import read_json
from firstsight.storage.replacing import replace_file
from firstsight.storage.stored_images import read_images
from firstsight.storage.stored_maps import StoredMap, stored_maps

METRICS = {"pro": "PRO", "auroc": "AUROC", "average_precision": "AP", "f1_max": "F1", "image_auroc": "image AUROC"}
"""Metrics of the comparison, as columns and as its readers call them; 0 to 1, on the whole frame."""

LONGEST_SIDE = 128
"""Maps are compared on a grid of so many points along the longer side of the image."""

DRAWN = 4
MENTIONED = 5


def compare_collection(
    *,
    maps: Mapping[str, Sequence[Path]],
    records: Mapping[str, Sequence[Path]],
    manifests: Sequence[Path],
    truths: Sequence[Path],
    collection: str,
    metrics: Path,
    pairs: Path,
    picture: Path,
    job: Job,
) -> None:
    """Measure every detector on a collection, and how much each two of them disagree.

    Args:
        maps: stores of maps of all shards, by detector.
        records: for each detector, the JSON records of the jobs that made its features, its model and its maps.
        manifests, truths: files of all shards.
        collection: name for the tables.
        metrics: Parquet to make, one row a detector: collection, detector, a column for each of `METRICS` (null where
            there are no masks or labels), n_images (with a map), seconds_per_image (in the detector, its share of
            learning included) and feature_seconds_per_image (0 where it reads the image itself).
        pairs: Parquet to make, one row for two detectors: collection, detector, other, n_images, disagreement (mean
            over the images that both have a map of), image and largest (that on which they disagree most).
        picture: PNG to make of the images on which two detectors disagree most.
        job: where time and counts are noted.
    """
    images = read_images(manifests, truths).set_index("image")
    stored = {
        name: {each.image: each for each in stored_maps(paths) if each.status == "ok"} for name, paths in maps.items()
    }
    rows = []
    for name, found in job.progress(stored.items(), len(stored)):
        with job.step("metrics"):
            figures = localization_figures(found, images)
        seconds = _seconds_per_image([read_json(path) for path in records[name]])
        rows.append({"collection": collection, "detector": name, **figures, "n_images": len(found), **seconds})
    with job.step("disagreement"):
        found_pairs = [{"collection": collection, **row} for row in _disagreements(stored)]
    table = pandas.DataFrame(found_pairs, columns=["collection", "detector", "other", *PAIR_COLUMNS])
    replace_file(metrics, lambda path: pandas.DataFrame(rows).to_parquet(path, index=False, compression="zstd"))
    replace_file(pairs, lambda path: table.to_parquet(path, index=False, compression="zstd"))
    with job.step("draw"):
        drawn = [_pair(row, stored, images) for row in _most_telling(table)]
        replace_file(picture, lambda path: draw_map_pairs(path, drawn))
    job.n_images = len(images)


PAIR_COLUMNS = ("n_images", "disagreement", "image", "largest")


def localization_figures(stored: Mapping[str, StoredMap], images: pandas.DataFrame) -> dict[str, float | None]:
    """Each of `METRICS` of maps, None where it is not defined; see `localization_rows`."""
    stores = {image: each.reader.path for image, each in stored.items()}
    values = {row["metric"]: row["value"] for row in localization_rows(stores, images)}
    return {metric: values[metric] if np.isfinite(values.get(metric, np.nan)) else None for metric in METRICS}


def join_comparison(
    *,
    metrics: Sequence[Path],
    pairs: Sequence[Path],
    set_aside: Sequence[str],
    table: Path,
    disagreement_table: Path,
    markdown: Path,
    job: Job,
) -> None:
    """Join the tables of `compare_collection`, and write them as text.

    Args:
        metrics, pairs: its tables of all collections.
        set_aside: a line for each detector that could not be compared.
        table, disagreement_table: Parquet tables to make.
        markdown: the same as text, of the pairs those that disagree most.
        job: where time and counts are noted.
    """
    found, between = (
        pandas.concat([pandas.read_parquet(part) for part in parts], ignore_index=True) for parts in (metrics, pairs)
    )
    replace_file(table, lambda path: found.to_parquet(path, index=False, compression="zstd"))
    replace_file(disagreement_table, lambda path: between.to_parquet(path, index=False, compression="zstd"))
    sections = ["# Detectors side by side\n", *(f"Set aside: {line}\n" for line in set_aside)]
    columns = [*METRICS, "n_images", "seconds_per_image", "feature_seconds_per_image"]
    titles = ["detector", *METRICS.values(), "images", "seconds an image", "seconds an image for features"]
    for collection, rows in found.groupby("collection", sort=False):
        sections.append(
            f"## {collection}\n\n{markdown_table(titles, rows[['detector', *columns]].to_numpy().tolist())}"
        )
        most = between[between["collection"].eq(collection)].nlargest(MENTIONED, "disagreement")
        if len(most):
            lines = most[["detector", "other", "disagreement", "image", "largest"]].to_numpy().tolist()
            titles_of_pairs = ["detector", "other", "disagreement", "most on", "there"]
            sections.append(f"Where they disagree most:\n\n{markdown_table(titles_of_pairs, lines)}")
    replace_file(markdown, lambda path: path.write_text("\n".join(sections), "utf-8"))
    job.n_images = int(found["n_images"].sum())


def _seconds_per_image(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    images = max(1, sum(record["n_images"] for record in records if record["rule"] == "detect"))
    features = sum(record["seconds"] for record in records if record["rule"] == "features")
    learning = sum(record["seconds"] for record in records if record["rule"] not in {"features", "detect"})
    # Not the seconds of the job: to start it and to read and write does not depend on the detector.
    detecting = sum(
        json.loads(each["seconds_by_step"]).get("detect", 0.0) for each in records if each["rule"] == "detect"
    )
    return {
        "seconds_per_image": (learning + detecting) / images,
        "feature_seconds_per_image": features / images,
    }


def _disagreements(stored: Mapping[str, Mapping[str, StoredMap]]) -> list[dict[str, Any]]:
    """One row for two detectors, those with an image in common."""
    by_pair: dict[tuple[str, str], dict[str, float]] = {pair: {} for pair in combinations(stored, 2)}
    for image in sorted({image for found in stored.values() for image in found}):
        names = [name for name, found in stored.items() if image in found]
        if len(names) < 2:
            continue
        between = disagreement(np.stack([_on_grid(stored[name][image]) for name in names]))
        for first, second in combinations(range(len(names)), 2):
            by_pair[names[first], names[second]][image] = float(between[first, second])
    return [
        {
            "detector": detector,
            "other": other,
            "n_images": len(found),
            "disagreement": float(np.mean(list(found.values()))),
            "image": max(found, key=found.__getitem__),
            "largest": max(found.values()),
        }
        for (detector, other), found in by_pair.items()
        if found
    ]


def _on_grid(stored: StoredMap) -> NDArray[np.float32]:
    geometry = stored.geometry
    assert geometry is not None
    factor = min(1.0, LONGEST_SIDE / max(geometry.height, geometry.width))
    height, width = max(2, round(geometry.height * factor)), max(2, round(geometry.width * factor))
    return map_to_pixels(stored.cells(), replace(geometry, height=height, width=width)).ravel()


def _most_telling(pairs: pandas.DataFrame) -> list[dict[Any, Any]]:
    """The pairs that disagree most on an image, each image and each detector's first place once."""
    ranked = pairs.sort_values("largest", ascending=False, kind="stable")
    return ranked.drop_duplicates("image").drop_duplicates("detector").head(DRAWN).to_dict("records")


def _pair(row: Mapping[Any, Any], stored: Mapping[str, Mapping[str, StoredMap]], images: pandas.DataFrame) -> MapPair:
    image = images.loc[row["image"]]
    with_mask = not pandas.isna(image["mask"]) and image["status"] == "ok"
    return MapPair(
        title=f"{row['image']} ({row['largest']:.2f})",
        image=read_row(image.to_dict()),
        mask=read_mask(Path(image["mask"])) if with_mask else None,
        maps={name: stored[name][row["image"]].pixels() for name in (row["detector"], row["other"])},
    )
