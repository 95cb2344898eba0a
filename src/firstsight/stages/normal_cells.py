"""Stage normal_cells: the normal cells of a shard, against which groups of collections compare anomalies."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from firstsight.clustering.descriptors import blur_features, describing_layers, unit_cells
from firstsight.clustering.normal_cells import normal_cells
from firstsight.stages.job import Job
from firstsight.storage.archives import write_arrays
from firstsight.storage.geometry import map_to_cells
from firstsight.storage.json import read_json
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_maps import stored_maps


def describe_normal_cells(
    *, maps: Path, features: Path, scores: Path, layers: Sequence[str], output: Path, job: Job
) -> None:
    """Keep what the normal cells of each image of a shard are like.

    Args:
        maps, features: the shard's stores.
        scores: JSON of `describe_shard`, which has the threshold of each image.
        layers: feature layers that the detector reads; the cells are of the first that descriptors are made of.
        output: npz to make: ``image`` (N,) text and ``normal`` (N, C) float32, the mean of the normal cells of each
            image that has a descriptor; ``count`` () and ``scatter`` (C, C) float32 of all their normal cells
            (`firstsight.clustering.normal_cells.NormalCells`).
    """
    reader = ShardReader(features)
    thresholds = {row["image"]: row["threshold"] for row in read_json(scores)["rows"]}
    images, means = [], []
    count, scatter = 0, np.zeros((0, 0))
    entries = stored_maps([maps])
    for stored in job.progress(entries, len(entries)):
        attributes = reader.attributes(stored.key)
        if stored.status != "ok" or attributes["status"] != "ok":
            continue
        assert stored.geometry is not None
        layer, place = describing_layers(attributes["geometry"], layers)[0]
        blurred = blur_features(unit_cells(reader.read(stored.key, layer)), place.stride)
        cells = map_to_cells(stored.cells(), stored.geometry, place, blurred.shape[1:])
        mean, found = normal_cells(blurred.reshape(len(blurred), -1), cells.ravel(), thresholds[stored.image])
        images.append(stored.image)
        means.append(mean)
        count, scatter = count + found.n_cells, found.scatter + (scatter if count else 0.0)
        job.n_images += 1
    write_arrays(
        output,
        image=np.array(images, dtype=np.str_),
        normal=np.array(means, np.float32).reshape(len(means), len(scatter)),
        count=np.array(count),
        scatter=np.asarray(scatter, np.float32),
    )
