"""Stage evaluate: metrics of one detector on one collection, where masks or labels exist."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.clustering.kinds import fit_kinds
from firstsight.collections.images import read_mask
from firstsight.evaluation import clustering, localization
from firstsight.reports.tables import read_table, write_table
from firstsight.stages.cluster import read_descriptors
from firstsight.stages.job import Job
from firstsight.stages.shards import StoredMap, read_images, stored_maps

GOOD = "good"
"""Label of an image without an anomaly."""


@dataclass(frozen=True)
class LazyMaps:
    """Maps at the images' own size, read from their stores one at a time."""

    stored: Sequence[StoredMap]

    def __len__(self) -> int:
        return len(self.stored)

    def __getitem__(self, index: int) -> NDArray[np.float32]:
        return self.stored[index].pixels()


@dataclass(frozen=True)
class LazyMasks:
    """Masks beside `LazyMaps`; an image without a mask file is good, all of its pixels are normal."""

    paths: Sequence[str | None]
    shapes: Sequence[tuple[int, int]]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> NDArray[np.bool_]:
        path = self.paths[index]
        return np.zeros(self.shapes[index], bool) if path is None else read_mask(Path(path))


def evaluate_collection(
    *,
    maps: Sequence[Path],
    manifests: Sequence[Path],
    truths: Sequence[Path],
    descriptors: Sequence[Path],
    clusters: Path,
    crop: float,
    collection: str,
    detector: str,
    fingerprint: str,
    output: Path,
    job: Job,
) -> None:
    """Compute every metric that the collection's masks and labels allow.

    Localization metrics count images that have a mask, or that are labelled good; on the whole frame (``crop`` 0) and,
    where ``crop`` is not 0, with it. Clustering metrics count images with a map and a label, good ones included;
    outliers count as one more cluster. A metric that is not defined (no anomalous pixel, one kind only) is left out.

    Args:
        maps, manifests, truths, descriptors: files of all shards.
        clusters: Parquet table `clusters` of this detector.
        crop: share of the frame cut from each side, in [0, 0.5).
        collection, detector, fingerprint: names for the table.
        output: Parquet table `metrics` to make.
        job: where time and counts are noted.
    """
    images = read_images(manifests, truths).set_index("image")
    stored = {each.image: each for each in stored_maps(maps) if each.status == "ok"}
    rows: list[dict[str, Any]] = []
    with job.step("localization"):
        for share in sorted({0.0, crop}):
            rows += localization_rows(stored, images, share)
    with job.step("clustering"):
        rows += _clustering_rows(images, read_table(clusters), descriptors)
    job.n_images = len(stored)
    names = {"collection": collection, "detector": detector, "settings_fingerprint": fingerprint}
    write_table(output, "metrics", [{**names, **row} for row in rows if np.isfinite(row["value"])])


def localization_rows(
    stored: Mapping[str, StoredMap], images: pandas.DataFrame, crop: float = 0.0
) -> list[dict[str, Any]]:
    """Metrics of maps, as rows with metric, value, n_images, n_regions and crop.

    Args:
        stored: the maps, by image.
        images: rows of the table `images` with labels and masks, by image.
        crop: share of the frame cut from each side, in [0, 0.5).
    """
    known = images[images["status"].eq("ok") & images.index.isin(list(stored))]
    with_truth = known[known["mask"].notna() | known["label"].eq(GOOD)]
    if not with_truth["mask"].notna().any():
        return _image_rows(stored, known) if crop == 0 else []
    masks = LazyMasks(
        [None if pandas.isna(mask) else mask for mask in with_truth["mask"]],
        list(zip(with_truth["height"], with_truth["width"], strict=True)),
    )
    statistics = localization.localization_statistics(
        masks, LazyMaps([stored[image] for image in with_truth.index]), crop=crop
    )
    values = {
        "pro": localization.pro_from_statistics(statistics),
        "auroc": localization.auroc_from_statistics(statistics),
        "average_precision": localization.average_precision_from_statistics(statistics),
        "f1_max": localization.f1_max_from_statistics(statistics),
        "image_auroc": localization.image_auroc_from_statistics(statistics),
    }
    counts = {"n_images": len(masks), "n_regions": statistics.n_regions, "crop": crop}
    return [{"metric": metric, "value": value, **counts} for metric, value in values.items()]


def _image_rows(stored: Mapping[str, StoredMap], known: pandas.DataFrame) -> list[dict[str, Any]]:
    labelled = known[known["label"].notna()]
    if labelled.empty:
        return []
    scores = [float(stored[image].cells().max()) for image in labelled.index]
    value = localization.image_auroc_from_scores(labelled["label"].ne(GOOD).to_numpy(bool), scores)
    return [{"metric": "image_auroc", "value": value, "n_images": len(labelled), "n_regions": None, "crop": 0.0}]


def _clustering_rows(
    images: pandas.DataFrame, clusters: pandas.DataFrame, descriptors: Sequence[Path]
) -> list[dict[str, Any]]:
    labels = images["label"].dropna()
    found = clusters.set_index("image")["cluster"]
    both = found.index.intersection(labels.index).sort_values()
    true = labels.loc[both].tolist()
    if len(set(true)) < 2:
        return []
    values = _agreement(true, found.loc[both].tolist(), "")
    names, vectors = read_descriptors(descriptors)
    _, known_number = fit_kinds(names, vectors, len(set(true)))
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
