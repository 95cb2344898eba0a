"""Stage describe: from maps to regions, scores and descriptors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.decision import Decision
from firstsight.clustering.descriptors import (
    TEMPERATURES,
    blur_features,
    describe,
    describing_layers,
    join_layers,
    rarity,
    unit_cells,
)
from firstsight.clustering.regions import cells_around, find_image_regions
from firstsight.collections.masks import read_ignored
from firstsight.detectors.image_score import image_score
from firstsight.stages.job import Job
from firstsight.storage.archives import write_arrays
from firstsight.storage.geometry import Geometry, map_to_cells
from firstsight.storage.json import read_json, write_json
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_maps import stored_maps
from firstsight.storage.tables import write_table

_FOUND = ("score", "p_value", "anomalous_area", "threshold")


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
        threshold: JSON that `find_threshold` wrote, for this collection or for the known one that it is compared with.
        layers: feature layers that the detector reads. Descriptors are made from one or two of them, see
            `describing_layers`.
        collection, detector: names for the tables.
        regions: Parquet table `regions` to make, without clusters.
        scores: JSON to make: the collection, the rate of the decision, and for every image a row with image, status,
            score (`image_score`), p_value, anomalous_area (pixels in regions) and threshold.
        descriptors: npz to make, float32, not normalised: ``image`` (N,) text and ``descriptor`` (N, W, C) of images
            with a map, a row for each of W weightings of layers; ``region_image``, ``region_number`` and
            ``region_descriptor`` (R,), (R,) and (R, W, C) of their regions.
        head: file that `fit_head` wrote; the first of these layers then has its features instead of the extractor's.
    """
    common = read_json(threshold)
    decision = Decision.from_json(common)
    reader, mapped = ShardReader(features), _features_of(head)
    region_rows: list[dict[str, Any]] = []
    score_rows: list[dict[str, Any]] = []
    shard_descriptors = _Descriptors()
    entries = stored_maps([maps])
    for stored in job.progress(entries, len(entries)):
        row: dict[str, Any] = {"image": stored.image, "status": stored.status, **dict.fromkeys(_FOUND)}
        if stored.status == "ok":
            assert stored.geometry is not None
            with job.step("regions"):
                cells = stored.cells()
                found = find_image_regions(cells, stored.geometry, decision, read_ignored(stored.ignored))
            names = {"collection": collection, "image": stored.image, "detector": detector}
            nothing_yet = {"cluster": None, "cluster_name": None}
            region_rows += [{**names, **vars(region), **nothing_yet} for region in found.regions]
            area = sum(region.area for region in found.regions)
            row |= zip(_FOUND, (image_score(cells), found.p_value, area, found.threshold), strict=True)
            with job.step("descriptor"):
                attributes = reader.attributes(stored.key)
                # A detector that reads the image itself may have a map where the extractor has no features.
                if attributes["status"] == "ok":
                    of_image = []
                    chosen = describing_layers(attributes["geometry"], layers)
                    for number, ((layer, place), temperatures) in enumerate(zip(chosen, TEMPERATURES, strict=False)):
                        features_of = unit_cells if number else mapped
                        blurred = blur_features(features_of(reader.read(stored.key, layer)), place.stride)
                        on_grid = map_to_cells(cells, stored.geometry, place, blurred.shape[1:])
                        of_image.append(_Layer(blurred, rarity(on_grid, common["levels"]), place, temperatures))
                    shard_descriptors.add(stored.image, of_image, found.labels)
                else:
                    job.note(f"{stored.image}: has no descriptor ({attributes['status']})")
        score_rows.append(row)
        job.n_images += 1
    write_table(regions, "regions", region_rows)
    write_json(scores, {"collection": collection, "rate": decision.rate, "rows": score_rows})
    shard_descriptors.write(descriptors)


def _features_of(head: Path | None) -> Callable[[NDArray[np.float32]], NDArray[np.floating]]:
    if head is None:
        return unit_cells
    # Importing torch takes seconds, and most runs have no head.
    from firstsight.clustering.contrastive import read_head  # noqa: PLC0415

    return read_head(head)


class _Layer(NamedTuple):
    """A layer of an image.

    blurred, rare: (C, h, w) features, and (h, w) the `rarity` of the scores there.
    place: how they lie on the image.
    temperatures: of the w weightings.
    """

    blurred: NDArray[np.float64]
    rare: NDArray[np.float64]
    place: Geometry
    temperatures: tuple[float, ...]

    def descriptor(self, cells: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """(w, C) of some cells, given as indices into the flattened feature map."""
        features, rare = self.blurred.reshape(len(self.blurred), -1), self.rare.ravel()
        return describe(features[:, cells], rare[cells], self.temperatures)


class _Descriptors:
    """The descriptors of a shard's images and of their regions."""

    def __init__(self) -> None:
        self._images: list[str] = []
        self._rows: list[NDArray[np.float64]] = []
        self._regions: list[tuple[str, int]] = []
        self._region_rows: list[NDArray[np.float64]] = []

    def add(self, image: str, layers: Sequence[_Layer], labels: NDArray[np.int32]) -> None:
        """Describe an image, and each of its regions by the cells that are nearer to it than to any other region.

        Args:
            image: its name.
            layers: of the image.
            labels: (H, W) numbers of the regions, on the pixels of the image.
        """
        self._images.append(image)
        self._rows.append(join_layers([layer.descriptor(slice(None)) for layer in layers]))
        around = [cells_around(labels, layer.place, layer.rare.shape) for layer in layers]
        for number, cells in enumerate(zip(*around, strict=True), start=1):
            self._regions.append((image, number))
            rows = [layer.descriptor(own) for layer, own in zip(layers, cells, strict=True)]
            self._region_rows.append(join_layers(rows))

    def write(self, path: Path) -> None:
        """Write the npz file that `describe_shard` makes."""
        write_arrays(
            path,
            image=np.array(self._images, dtype=np.str_),
            descriptor=_stacked(self._rows),
            region_image=np.array([image for image, _ in self._regions], dtype=np.str_),
            region_number=np.array([number for _, number in self._regions], dtype=np.int32),
            region_descriptor=_stacked(self._region_rows),
        )


def _stacked(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    return np.array(rows, np.float32) if rows else np.zeros((0, 0, 0), np.float32)
