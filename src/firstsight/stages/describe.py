"""Stages threshold and describe: from maps to regions, scores and descriptors."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.transform import resize

from firstsight.clustering.descriptors import image_descriptor, weighting_temperature
from firstsight.clustering.regions import find_regions
from firstsight.clustering.thresholds import anomaly_threshold
from firstsight.detectors.geometry import map_to_pixels
from firstsight.features.store import ShardReader
from firstsight.reports.tables import write_table
from firstsight.stages.job import Job, write_json
from firstsight.stages.shards import StoredMap, stored_maps

SAMPLED_CELLS = 4_000_000
"""Cells of a collection that the threshold is found from; beyond it each map gives an equal share."""


def find_threshold(shards: Sequence[Path], output: Path, seed: int, job: Job) -> None:
    """Find what is the same for all maps of a collection, without labels: threshold, colours, weighting.

    Writes JSON: ``threshold`` (score above which a cell is anomalous), ``scale`` (low and high end of the colours:
    median of the cells and largest score), ``temperature`` (of the descriptors' weights), ``n_images`` (those
    with a map). All but the last are null where no image has a map.
    """
    maps = [stored for stored in stored_maps(shards) if stored.status == "ok"]
    job.n_images = len(maps)
    with job.step("sample"):
        samples, maxima = [], []
        for index, stored in enumerate(maps):
            scores = stored.cells().ravel()
            maxima.append(scores.max())
            samples.append(_sample(scores, SAMPLED_CELLS // len(maps), seed + index))
    with job.step("threshold"):
        if not samples:
            write_json(output, {"threshold": None, "scale": None, "temperature": None, "n_images": 0})
            return
        cells = np.concatenate(samples)
        found = {
            "threshold": anomaly_threshold(cells, image_maxima=np.array(maxima)),
            "scale": [float(np.median(cells)), float(max(maxima))],
            "temperature": weighting_temperature(cells),
            "n_images": len(maps),
        }
    write_json(output, found)


def describe_shard(
    *,
    maps: Path,
    features: Path,
    threshold: Path,
    layers: Sequence[str],
    collection: str,
    detector: str,
    regions: Path,
    scores: Path,
    descriptors: Path,
    job: Job,
) -> None:
    """Find the regions, the score and the descriptor of every image of a shard.

    Args:
        maps: the shard's store of anomaly maps.
        features: the shard's store of features.
        threshold: JSON that `find_threshold` wrote.
        layers: feature layers that the detector reads; the descriptor joins them.
        collection, detector: names for the tables.
        regions: Parquet table `regions` to make, without clusters.
        scores: JSON to make: the collection, and one row an image with image, status, score (largest value of the map),
            anomalous_area (pixels in regions) and threshold.
        descriptors: npz to make: ``image`` (N,) text and ``descriptor`` (N, D) of the images with a map.
        job: where time and counts are noted.
    """
    common = json.loads(threshold.read_text(encoding="utf-8"))
    limit, temperature = common["threshold"], common["temperature"]
    reader = ShardReader(features)
    region_rows: list[dict[str, Any]] = []
    score_rows: list[dict[str, Any]] = []
    found: dict[str, NDArray[np.float64]] = {}
    entries = stored_maps([maps])
    for stored in job.progress(entries, len(entries)):
        row: dict[str, Any] = {"image": stored.image, "status": stored.status, "score": None, "anomalous_area": None}
        if stored.status == "ok":
            assert stored.geometry is not None
            with job.step("regions"):
                cells = stored.cells()
                cell_area = _cell_area(stored)
                _, image_regions = find_regions(map_to_pixels(cells, stored.geometry), limit, minimum_area=cell_area)
            names = {"collection": collection, "image": stored.image, "detector": detector, "cluster": None}
            region_rows += [{**names, **vars(region)} for region in image_regions]
            row["score"] = float(cells.max())
            row["anomalous_area"] = sum(region.area for region in image_regions)
            with job.step("descriptor"):
                found[stored.image] = np.concatenate(
                    [_describe(reader.read(stored.key, layer), cells, temperature) for layer in layers]
                )
        score_rows.append({**row, "threshold": limit})
        job.n_images += 1
    write_table(regions, "regions", region_rows)
    write_json(scores, {"collection": collection, "rows": score_rows})
    _write_descriptors(descriptors, found)


def _sample(scores: NDArray[np.float32], limit: int, seed: int) -> NDArray[np.float32]:
    return scores if scores.size <= limit else np.random.default_rng(seed).choice(scores, limit, replace=False)


def _describe(features: NDArray[np.float32], cells: NDArray[np.float32], temperature: float) -> NDArray[np.float64]:
    """The image's descriptor in one layer; the map is brought to the layer's grid where it has another."""
    if cells.shape != features.shape[1:]:
        cells = resize(cells, features.shape[1:], order=1, anti_aliasing=True)
    return image_descriptor(features, cells, temperature=temperature)


def _cell_area(stored: StoredMap) -> int:
    assert stored.geometry is not None
    place = stored.geometry
    return round(place.stride**2 * (place.height / place.input_height) * (place.width / place.input_width))


def _write_descriptors(path: Path, found: dict[str, NDArray[np.float64]]) -> None:
    beside = path.with_name(f"{path.name}.partial")
    with open(beside, "wb") as file:
        np.savez(
            file, image=np.array(list(found), dtype=np.str_), descriptor=np.array(list(found.values()), np.float32)
        )
    beside.replace(path)
