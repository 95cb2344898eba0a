"""Stage head: a contrastive head for a collection, whose images are then described by the features that it makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from firstsight.clustering.contrastive import ContrastiveSettings, train_head
from firstsight.clustering.descriptors import TEMPERATURES, describing_layers, rarity
from firstsight.clustering.normalisation import normalise_descriptors
from firstsight.stages.cluster import read_descriptors
from firstsight.stages.devices import choose_device, first_that_fits
from firstsight.stages.job import Job
from firstsight.storage.checkpoints import write_checkpoint
from firstsight.storage.geometry import map_to_cells
from firstsight.storage.json import read_json
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_maps import StoredMap, stored_maps


@dataclass(frozen=True)
class StoredCells:
    """An image's features and its map on their grid, read on demand (see `contrastive_pairs.ImageCells`)."""

    stored: StoredMap
    features: ShardReader
    layers: tuple[str, ...]
    levels: tuple[float, ...]

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features (C, h, w) of the first layer that descriptors are made of, and the rarity of their scores (h, w)."""
        layer, place = describing_layers(self.features.attributes(self.stored.key)["geometry"], self.layers)[0]
        values = self.features.read(self.stored.key, layer)
        assert self.stored.geometry is not None
        cells = map_to_cells(self.stored.cells(), self.stored.geometry, place, values.shape[1:])
        return values, rarity(cells, self.levels).astype(np.float32)


def fit_head(
    *,
    maps: Sequence[Path],
    features: Sequence[Path],
    threshold: Path,
    descriptors: Sequence[Path],
    layers: Sequence[str],
    output: Path,
    device: str,
    threads: int,
    job: Job,
) -> None:
    """Train the head of a collection.

    Args:
        maps, features: stores of all shards, in the same order.
        threshold: JSON that `find_threshold` wrote; cells above its threshold are anomalous.
        descriptors: npz files of all shards, of the features as they are; by these, images are alike or not.
        layers: feature layers that the detector reads; the head maps the first of those that descriptors are made of.
        output: file to make, which `read_head` reads; it holds no head if too few images have anomalous cells.
        device: auto, cpu or cuda.
        threads: CPU threads to use.
    """
    torch.set_num_threads(threads)
    job.device = choose_device(device, job)
    common = read_json(threshold)
    levels = tuple(common["levels"] or ())
    names, values = read_descriptors(descriptors)
    readers = {store.name: ShardReader(store) for store in features}
    by_image = {
        stored.image: StoredCells(stored, readers[store.name], tuple(layers), levels)
        for store in maps
        for stored in stored_maps([store])
        if stored.status == "ok"
    }
    job.n_images = len(names)
    head = None
    if names:
        train = partial(
            train_head,
            [by_image[name] for name in names],
            normalise_descriptors(values),
            ContrastiveSettings(),
            temperature=TEMPERATURES[0][-1],
            threshold=float(rarity(np.array(common["threshold"]), levels)),
            note=job.note,
        )
        with job.step("train"):
            head = first_that_fits(
                [(f"on {device}", partial(train, device=device)) for device in (job.device, "cpu")], job.note
            )
    write_checkpoint(output, head.state() if head is not None else {})
