"""One HDF5 file with the maps and masks of a collection.

| | |
| --- | --- |
| attributes of the file | collection, detector, method, settings (JSON), fingerprint, threshold, version |
| ``image``, ``cluster_name`` | (N,) text: the ids, and the names of their clusters |
| ``score``, ``cluster`` | (N,) float32, int32; the cluster is -2 if an image is in none |
| ``maps/000000``, ... | (H, W) float32, the images' maps, in the same order |
| ``masks/000000``, ... | (H, W) uint8, 1 where a pixel is in a region |
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from firstsight.reports.exports.findings import Findings, ImageFindings

CHUNK = 512
"""Side of a chunk in pixels."""

NO_CLUSTER = -2
"""-1 is an outlier, or an unknown kind."""


def write_hdf5(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write ``maps.h5``, one image after the other."""
    entries = findings.images
    with h5py.File(folder / "maps.h5", "w") as file:
        for name, value in findings.header().items():
            file.attrs[name] = json.dumps(value) if name == "settings" else np.nan if value is None else value
        text = h5py.string_dtype()
        file.create_dataset("image", data=[entry.image for entry in entries], shape=(len(entries),), dtype=text)
        names = [entry.cluster_name for entry in entries]
        file.create_dataset("cluster_name", data=names, shape=(len(entries),), dtype=text)
        clusters = [NO_CLUSTER if entry.cluster is None else entry.cluster for entry in entries]
        file.create_dataset("cluster", data=np.array(clusters, np.int32))
        scores = file.create_dataset("score", shape=(len(entries),), dtype="float32")
        maps, masks = file.create_group("maps"), file.create_group("masks")
        for number, image in enumerate(images):
            scores[number] = image.score
            _add(maps, number, image.anomaly_map)
            _add(masks, number, (image.labels > 0).astype(np.uint8))


def _add(group: Any, number: int, values: NDArray[Any]) -> None:
    chunks = tuple(min(size, CHUNK) for size in values.shape)
    group.create_dataset(f"{number:06d}", data=values, chunks=chunks, compression="gzip", shuffle=True)
