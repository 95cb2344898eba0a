"""Stage detect: the features of a shard to anomaly maps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from firstsight.detectors.geometry import Geometry
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.registry import DETECTORS
from firstsight.errors import FirstsightError
from firstsight.features.store import ShardReader, ShardWriter
from firstsight.stages.features import choose_device
from firstsight.stages.job import Job


def detect_anomalies(
    *,
    features: Path,
    output: Path,
    method: str,
    settings: Mapping[str, Any],
    layers: Sequence[str],
    device: str,
    threads: int,
    job: Job,
) -> None:
    """Make the anomaly map of every image of a shard.

    Args:
        features: the shard's store of features.
        output: Zarr store to make: one entry an image with the float32 array ``map`` (h, w), and in its attributes how
            the map lies on the image. An image without a map has a ``status`` that says why.
        method: name in `DETECTORS`.
        settings: all fields of the method's settings.
        layers: the feature layers it reads.
        device: auto, cpu or cuda.
        threads: CPU threads to use.
        job: where time and counts are noted.
    """
    torch.set_num_threads(threads)
    detector = DETECTORS[method]
    chosen = detector.settings(**settings)
    job.device = choose_device(device)
    reader = ShardReader(features)
    keys = reader.keys()
    with ShardWriter(output, dtype="float32") as writer:
        for key in job.progress(keys, len(keys)):
            attributes = reader.attributes(key)
            token = attributes["token"]
            job.n_images += 1
            if writer.has(key, token):
                continue
            entry = {"image": attributes["image"], "status": attributes["status"]}
            arrays = {}
            if attributes["status"] == "ok":
                with job.step("read"):
                    tensors = {layer: torch.from_numpy(reader.read(key, layer)).to(job.device) for layer in layers}
                places = {layer: Geometry(**attributes["geometry"][layer]) for layer in layers}
                try:
                    with job.step("detect"):
                        arrays = {"map": detector.detect(tensors, places, chosen).cpu().numpy()}
                    entry["geometry"] = attributes["geometry"][finest_layer(places)]
                except FirstsightError as error:
                    entry["status"] = f"{job.detector}: {error}"
            with job.step("write"):
                writer.add(key, token, arrays, entry)
