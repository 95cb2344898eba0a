"""Stage evaluate: metrics of one detector on one collection, where masks or labels exist."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from firstsight.clustering.kinds import fit_kinds
from firstsight.collections.mask_values import MaskRule, parse_rule
from firstsight.collections.masks import read_ignored, read_masks, split_masks
from firstsight.detectors.image_score import image_score
from firstsight.evaluation import clustering, localization
from firstsight.evaluation.bootstrap import image_auroc_interval, localization_intervals
from firstsight.evaluation.localization_statistics import Part, localization_statistics_of
from firstsight.stages.cluster import read_descriptors, read_evidence
from firstsight.stages.job import Job
from firstsight.storage.stored_images import read_images
from firstsight.storage.stored_maps import StoredMap, images_with_maps, stored_maps
from firstsight.storage.tables import read_table, write_table


@dataclass(frozen=True)
class LazyMaps:
    """Maps at the images' own size, read from their stores one at a time; masked arrays where pixels are ignored."""

    stored: Sequence[StoredMap]
    folder: Path
    """Where the paths of masks of ignored pixels begin."""

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        stored = self.stored[index]
        ignored = None if stored.ignored is None else read_ignored(str(self.folder / stored.ignored))
        return stored.pixels() if ignored is None else np.ma.array(stored.pixels(), mask=ignored)


@dataclass(frozen=True)
class LazyMasks:
    """The masks that belong to `LazyMaps`; without a mask file all pixels of an image are normal."""

    paths: Sequence[Sequence[Path]]
    rules: Sequence[MaskRule | None]
    shapes: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        paths = self.paths[index]
        return read_masks(paths, self.rules[index]) if paths else np.zeros(self.shapes[index], bool)


def evaluate_collection(
    *,
    maps: Sequence[Path],
    manifests: Sequence[Path],
    truths: Sequence[Path],
    descriptors: Sequence[Path],
    scores: Sequence[Path],
    clusters: Path,
    crop: float,
    collection: str,
    detector: str,
    fingerprint: str,
    output: Path,
    job: Job,
) -> None:
    """Compute every metric that the collection's masks and labels allow.

    Localization metrics count images that have a mask, or that are known to be normal; on the whole frame (``crop`` 0)
    and, where ``crop`` is not 0, with it. Clustering metrics count images with a map and a label, normal ones included;
    outliers count as one more cluster. A metric that is not defined (no anomalous pixel, one kind only) is left out.

    Args:
        maps, manifests, truths, descriptors, scores: files of all shards.
        clusters: Parquet table `clusters` of this detector.
        crop: share of the frame cut from each side, in [0, 0.5).
        collection, detector, fingerprint: names for the table.
        output: Parquet table `metrics` to make.
    """
    images = read_images(manifests, truths).set_index("image")
    stores = _stores_by_image(maps)
    rows: list[dict[str, Any]] = []
    with job.step("localization"):
        for share in sorted({0.0, crop}):
            rows += localization_rows(stores, images, share)
    with job.step("clustering"):
        rows += _clustering_rows(images, read_table(clusters), descriptors, scores)
    job.n_images = len(stores)
    _write(output, rows, collection, detector, fingerprint)


def evaluate_maps(
    *,
    maps: Sequence[Path],
    manifests: Sequence[Path],
    truths: Sequence[Path],
    crop: float,
    collection: str,
    detector: str,
    fingerprint: str,
    output: Path,
    job: Job,
) -> None:
    """Compute the localization metrics that the collection's masks allow, without their intervals over images.

    Args:
        maps, manifests, truths, crop, collection, detector, fingerprint, output: as for `evaluate_collection`, but the
            whole frame is left out where ``crop`` is not 0.
    """
    stores = _stores_by_image(maps)
    with job.step("localization"):
        images = read_images(manifests, truths).set_index("image")
        rows = localization_rows(stores, images, crop, intervals=False)
    job.n_images = len(stores)
    _write(output, rows, collection, detector, fingerprint)


def _stores_by_image(maps: Sequence[Path]) -> dict[str, Path]:
    return {image: shard for shard, mapped in zip(maps, images_with_maps(maps), strict=True) for image in mapped}


def _write(output: Path, rows: Sequence[dict[str, Any]], collection: str, detector: str, fingerprint: str) -> None:
    names = {"collection": collection, "detector": detector, "settings_fingerprint": fingerprint}
    unknown = {"low": None, "high": None}
    write_table(output, "metrics", [{**names, **unknown, **row} for row in rows if np.isfinite(row["value"])])


def localization_rows(
    stores: Mapping[str, Path], images: pandas.DataFrame, crop: float = 0.0, *, intervals: bool = True
) -> list[dict[str, Any]]:
    """Metrics of maps, as rows with metric, value, n_images, n_regions and crop; one task of dask reads each store.

    With intervals, the rows of all but the means over images also have ``low`` and ``high``, the 95 % interval of the
    metric over images.

    Args:
        stores: for every image that has a map, the store that holds it.
        images: rows of the table `images` with labels and masks, by image.
        crop: share of the frame cut from each side, in [0, 0.5).
        intervals: whether images are resampled; they are read once more for that.
    """
    known = images[images["status"].eq("ok") & images.index.isin(list(stores))]
    with_truth = known[known["mask"].notna() | known["is_normal"].eq(True)]
    if not with_truth["mask"].notna().any():
        return _image_rows(stores, known, intervals=intervals) if crop == 0 else []
    parts = []
    for store, rows in _by_store(stores, with_truth):
        # Workers of dask may be elsewhere.
        paths = [[] if pandas.isna(mask) else [path.absolute() for path in split_masks(mask)] for mask in rows["mask"]]
        rules = [None if pandas.isna(rule) else parse_rule(rule) for rule in rows["mask_values"]]
        shapes = list(zip(rows["height"].astype(int), rows["width"].astype(int), strict=True))
        parts.append(
            Part(
                len(rows), partial(_open_part, store, rows.index.tolist(), LazyMasks(paths, rules, shapes), Path.cwd())
            )
        )
    statistics = localization_statistics_of(parts, crop=crop)
    values = {
        "pro": localization.pro_from_statistics(statistics),
        "auroc": localization.auroc_from_statistics(statistics),
        "average_precision": localization.average_precision_from_statistics(statistics),
        "f1_max": localization.f1_max_from_statistics(statistics),
        "image_auroc": localization.image_auroc_from_statistics(statistics),
        **localization.means_by_image(parts, crop),
    }
    counts = {"n_images": len(with_truth), "n_regions": statistics.n_regions, "crop": crop}
    figures: list[dict[str, Any]] = [{"metric": metric, "value": value, **counts} for metric, value in values.items()]
    if not intervals:
        return figures
    bounds = localization_intervals(parts, statistics, crop=crop)
    bounds["image_auroc"] = image_auroc_interval(statistics.image_anomalous, statistics.image_scores)
    intervals_of = {metric: dict(zip(("low", "high"), pair, strict=True)) for metric, pair in bounds.items()}
    return [row | intervals_of.get(row["metric"], {}) for row in figures]


def _by_store(stores: Mapping[str, Path], images: pandas.DataFrame) -> Iterator[tuple[Path, pandas.DataFrame]]:
    """The images of each store, in their order."""
    store_of_row = [stores[image].absolute() for image in images.index]
    for store, rows in images.groupby(store_of_row, sort=False):
        yield Path(str(store)), rows


def _maps_in(store: Path, images: Sequence[str]) -> list[StoredMap]:
    by_image = {stored.image: stored for stored in stored_maps([store])}
    return [by_image[image] for image in images]


def _open_part(store: Path, images: Sequence[str], masks: LazyMasks, folder: Path) -> tuple[LazyMasks, LazyMaps]:
    return masks, LazyMaps(_maps_in(store, images), folder)


def _image_scores(store: Path, images: Sequence[str]) -> list[float]:
    return [image_score(stored.cells()) for stored in _maps_in(store, images)]


def _image_rows(stores: Mapping[str, Path], known: pandas.DataFrame, *, intervals: bool) -> list[dict[str, Any]]:
    labelled = known[known["is_normal"].notna()]
    if labelled.empty:
        return []
    parts = list(_by_store(stores, labelled))
    of_parts = compute(*(delayed(_image_scores)(store, rows.index.tolist()) for store, rows in parts))  # type: ignore[no-untyped-call]
    scores = np.concatenate(of_parts)
    defective = np.concatenate([rows["is_normal"].ne(True).to_numpy(bool) for _, rows in parts])
    value = localization.image_auroc_from_scores(defective, scores)
    row: dict[str, Any] = {
        "metric": "image_auroc",
        "value": value,
        "n_images": len(labelled),
        "n_regions": None,
        "crop": 0.0,
    }
    if not intervals:
        return [row]
    low, high = image_auroc_interval(defective, scores)
    return [row | {"low": low, "high": high}]


def _clustering_rows(
    images: pandas.DataFrame, clusters: pandas.DataFrame, descriptors: Sequence[Path], scores: Sequence[Path]
) -> list[dict[str, Any]]:
    labels = images["label"].dropna()
    predicted = clusters.set_index("image")["cluster"]
    both = predicted.index.intersection(labels.index).sort_values()
    true = labels.loc[both].tolist()
    if len(set(true)) < 2:
        return []
    values = _agreement(true, predicted.loc[both].tolist(), "")
    names, vectors = read_descriptors(descriptors)
    _, known_number = fit_kinds(names, vectors, len(set(true)), evidence=read_evidence(scores, names))
    oracle = dict(zip(names, known_number.cluster.tolist(), strict=True))
    values |= _agreement(true, [oracle[image] for image in both], "_oracle")
    counts = {"n_images": len(both), "n_regions": None, "crop": 0.0}
    return [{"metric": metric, "value": value, **counts} for metric, value in values.items()]


def _agreement(true: list[str], predicted: list[int], suffix: str) -> dict[str, float]:
    # ARI falls below 0 for clusterings worse than chance; the table's metrics lie in [0, 1].
    return {
        f"matched_f1{suffix}": clustering.matched_f1(true, predicted),
        f"nmi{suffix}": clustering.nmi(true, predicted),
        f"ari{suffix}": max(0.0, clustering.ari(true, predicted)),
    }
