"""Stages threshold and describe: from maps to regions, scores and descriptors."""

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from skimage.transform import resize

from firstsight.archives import write_arrays
from firstsight.clustering.descriptors import DEVIATIONS, blur_features, describe, unit_cells, weighting_temperatures
from firstsight.clustering.false_alarms import image_threshold, pixel_threshold, tile_maxima
from firstsight.clustering.regions import covered_cells, find_image_regions
from firstsight.clustering.thresholds import anomaly_threshold, otsu_threshold
from firstsight.detectors.geometry import Geometry
from firstsight.features.store import ShardReader
from firstsight.reports.tables import write_table
from firstsight.stages.job import Job, read_json, write_json
from firstsight.stages.shards import images_with_maps, stored_maps

SAMPLED_CELLS = 4_000_000
"""Cells of a collection that the threshold is found from; beyond it each map gives an equal share."""

DEFAULT_RULE: Mapping[str, Any] = MappingProxyType({"method": "deviations"})
"""How the default config finds the threshold."""


def find_threshold(
    shards: Sequence[Path], output: Path, seed: int, job: Job, settings: Mapping[str, Any] = DEFAULT_RULE
) -> None:
    """Find what is the same for all maps of a collection, without labels: threshold, colours, weighting.

    Writes JSON: ``threshold`` (score above which a cell is anomalous), ``method`` and ``rate`` (as the settings have
    them), ``says`` (in words: how it was found, and what lies above), ``scale`` (low and high end of the colours:
    median of the cells and largest score), ``temperatures`` (of the descriptors' weights), ``n_images`` (with a map).
    Threshold, scale and temperatures are null where no image has a map.

    Args:
        shards: stores of the collection's maps, a task of dask each; only a sample of their cells is held at once.
        output: the JSON to make.
        seed: of the sample.
        job: where time and counts are noted.
        settings: the fields of `firstsight.config.ThresholdSettings`; those that a method does not have may be missing.
    """
    chosen = {"method": settings["method"], "rate": settings.get("rate")}
    with job.step("sample"):
        keys = [list(found.values()) for found in images_with_maps(shards)]
        ends = list(accumulate(map(len, keys)))
        job.n_images = n_maps = ends[-1] if ends else 0
        limit = SAMPLED_CELLS // max(1, n_maps)
        tasks = [
            delayed(_shard_scores)(path.absolute(), found, limit, seed + end - len(found))
            for path, found, end in zip(shards, keys, ends, strict=True)
        ]
        scores = _Scores.joined(compute(*tasks))  # type: ignore[no-untyped-call]
    with job.step("threshold"):
        if not n_maps:
            nothing = {"threshold": None, "says": "no image has a map", "scale": None, "temperatures": None}
            write_json(output, {**nothing, **chosen, "n_images": 0})
            return
        cells, maxima = scores.cells, scores.maxima
        threshold, how = _threshold(settings, cells, maxima, scores.tiles)
        share, images = 100 * float((cells > threshold).mean()), int((maxima > threshold).sum())
        says = f"{how}; {share:.2g} % of all pixels, in {images} of {n_maps} images, lie above"
        job.note(f"threshold {threshold:.6g}: {says}")
        found = {
            "threshold": threshold,
            **chosen,
            "says": says,
            "scale": [float(np.median(cells)), float(maxima.max())],
            "temperatures": weighting_temperatures(cells),
            "n_images": n_maps,
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
    head: Path | None = None,
) -> None:
    """Find the regions, the score and the descriptors of every image of a shard.

    Args:
        maps: the shard's store of anomaly maps.
        features: the shard's store of features.
        threshold: JSON that `find_threshold` wrote: of this collection, or for images that come later of the one whose
            kinds they are compared with.
        layers: feature layers that the detector reads. The descriptors are of the coarsest, with the largest stride (of
            equals the last), which says most about the kind of an anomaly.
        collection, detector: names for the tables.
        regions: Parquet table `regions` to make, without clusters.
        scores: JSON to make: the collection, and one row an image with image, status, score (largest value of the map),
            anomalous_area (pixels in regions) and threshold.
        descriptors: npz to make, float32, not normalised: ``image`` (N,) text and ``descriptor`` (N, W, C) of images
            with a map, a row for each of the W weightings; ``region_image``, ``region_number`` and
            ``region_descriptor`` (R,), (R,) and (R, W, C) of their regions.
        job: where time and counts are noted.
        head: file that `fit_head` wrote, whose features are described in the place of the extractor's.
    """
    common = read_json(threshold)
    limit, temperatures = common["threshold"], common["temperatures"]
    reader, mapped = ShardReader(features), _features_of(head)
    region_rows: list[dict[str, Any]] = []
    score_rows: list[dict[str, Any]] = []
    found = _Descriptors()
    entries = stored_maps([maps])
    for stored in job.progress(entries, len(entries)):
        row: dict[str, Any] = {"image": stored.image, "status": stored.status, "score": None, "anomalous_area": None}
        if stored.status == "ok":
            assert stored.geometry is not None
            with job.step("regions"):
                cells = stored.cells()
                _, labels, image_regions = find_image_regions(cells, stored.geometry, limit)
            names = {"collection": collection, "image": stored.image, "detector": detector}
            nothing_yet = {"cluster": None, "cluster_name": None}
            region_rows += [{**names, **vars(region), **nothing_yet} for region in image_regions]
            row["score"] = float(cells.max())
            row["anomalous_area"] = sum(region.area for region in image_regions)
            with job.step("descriptor"):
                attributes = reader.attributes(stored.key)
                # A detector that reads the image itself may have a map where the extractor has no features.
                if attributes["status"] == "ok":
                    layer, place = coarsest_layer(attributes["geometry"], layers)
                    blurred = blur_features(mapped(reader.read(stored.key, layer)), place.stride)
                    found.add(stored.image, blurred, place=place, cells=cells, labels=labels, temperatures=temperatures)
                else:
                    job.note(f"{stored.image}: has no descriptor ({attributes['status']})")
        score_rows.append({**row, "threshold": limit})
        job.n_images += 1
    write_table(regions, "regions", region_rows)
    write_json(scores, {"collection": collection, "rows": score_rows})
    found.write(descriptors)


def coarsest_layer(places: Mapping[str, Mapping[str, Any]], layers: Sequence[str]) -> tuple[str, Geometry]:
    """Of these layers the one with the largest stride, of equals the last, and how it lies on the image.

    Args:
        places: fields of `Geometry` for each layer, as the store of features keeps them.
        layers: names, at least one.
    """
    layer = max(reversed(layers), key=lambda name: places[name]["stride"])
    return layer, Geometry(**places[layer])


def _features_of(head: Path | None) -> Callable[[NDArray[np.float32]], NDArray[np.floating]]:
    if head is None:
        return unit_cells
    # Importing torch takes seconds, and most runs have no head.
    from firstsight.stages.head import read_head  # noqa: PLC0415

    return read_head(head)


class _Descriptors:
    """The descriptors of a shard's images and of their regions."""

    def __init__(self) -> None:
        self._images: list[str] = []
        self._rows: list[NDArray[np.float64]] = []
        self._regions: list[tuple[str, int]] = []
        self._region_rows: list[NDArray[np.float64]] = []

    def add(
        self,
        image: str,
        blurred: NDArray[np.float64],
        *,
        place: Geometry,
        cells: NDArray[np.float32],
        labels: NDArray[np.int32],
        temperatures: Sequence[float],
    ) -> None:
        """Describe an image and its regions.

        Args:
            image: its name.
            blurred, place: (C, h, w) features, and how they lie on the image.
            cells: (h', w') anomaly map; brought to the grid of the features where it has another.
            labels: (H, W) regions, on the pixels of the image.
            temperatures: (W,) of the collection.
        """
        height, width = blurred.shape[1:]
        if cells.shape != (height, width):
            cells = resize(cells, (height, width), order=1, anti_aliasing=True)
        values, scores = blurred.reshape(len(blurred), -1), cells.ravel()
        self._images.append(image)
        self._rows.append(describe(values, scores, temperatures))
        for number, (covered, pixels) in enumerate(covered_cells(labels, place, (height, width)), start=1):
            self._regions.append((image, number))
            self._region_rows.append(describe(values[:, covered], scores[covered], temperatures, share=pixels))

    def write(self, path: Path) -> None:
        """Write them beside ``path`` and rename them there."""
        write_arrays(
            path,
            image=np.array(self._images, dtype=np.str_),
            descriptor=_stacked(self._rows),
            region_image=np.array([image for image, _ in self._regions], dtype=np.str_),
            region_number=np.array([number for _, number in self._regions], dtype=np.int32),
            region_descriptor=_stacked(self._region_rows),
        )


def _stacked(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    return np.array(rows, np.float32) if rows else np.zeros((0, len(DEVIATIONS), 0), np.float32)


class _Scores(NamedTuple):
    """What the threshold of some maps is found from.

    Attributes:
        cells: (n,) random cells, an equal share of every map.
        maxima: (N,) largest score of every map.
        tiles: (k,) largest score of every tile of every map.
    """

    cells: NDArray[np.float32]
    maxima: NDArray[np.float32]
    tiles: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence["_Scores"]) -> "_Scores":
        nothing = cls(*(np.empty(0, np.float32) for _ in cls._fields))
        return cls(*map(np.concatenate, zip(nothing, *parts, strict=True)))


def _shard_scores(shard: Path, keys: Sequence[str], limit: int, seed: int) -> _Scores:
    """Of maps of a shard, one after the other: at most ``limit`` cells each, drawn with a seed of its own."""
    reader = ShardReader(shard)
    found = []
    for index, key in enumerate(keys):
        cells = reader.read(key, "map")
        sample = _sample(cells.ravel(), limit, seed + index)
        found.append(_Scores(sample, cells.max(keepdims=True).ravel(), tile_maxima(cells)))
    return _Scores.joined(found)


def _threshold(
    settings: Mapping[str, Any], cells: NDArray[np.float32], maxima: NDArray[np.float32], tiles: NDArray[np.float32]
) -> tuple[float, str]:
    """The threshold, and in words how it was found."""
    match settings["method"]:
        case "false_alarm_rate":
            rate, unit = settings["rate"], settings["unit"]
            found = pixel_threshold(cells, rate) if unit == "pixel" else image_threshold(tiles, maxima, rate)
            return found, f"about {100 * rate:g} % of normal {unit}s are asked to lie above"
        case "otsu":
            return otsu_threshold(cells), "Otsu's threshold of all scores"
        case "fixed":
            return float(settings["value"]), "the value that was given"
        case _:
            found = anomaly_threshold(cells, image_maxima=maxima)
            return found, "4 robust deviations above the median, and above a tenth of the images"


def _sample(scores: NDArray[np.float32], limit: int, seed: int) -> NDArray[np.float32]:
    return scores if scores.size <= limit else np.random.default_rng(seed).choice(scores, limit, replace=False)
