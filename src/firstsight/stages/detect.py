"""Stage detect: the features of a shard, or its images themselves, to anomaly maps."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from firstsight.detectors.geometry import Geometry
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.missing import calm_missing
from firstsight.detectors.registry import DETECTORS, IMAGE, Detector
from firstsight.errors import DamagedError, FirstsightError
from firstsight.features.missing import known_share
from firstsight.features.store import ShardReader, ShardWriter
from firstsight.reports.tables import read_table
from firstsight.stages.devices import choose_device, first_that_fits
from firstsight.stages.fit import read_model
from firstsight.stages.job import Job
from firstsight.stages.shards import image_token, read_row


class Entry(NamedTuple):
    """One image of a shard, before it is read."""

    key: str
    image: str
    token: str
    status: str


class ShardFeatures:
    """The features of a shard, from its store."""

    def __init__(self, store: Path, layers: Sequence[str]) -> None:
        self._reader, self._layers = ShardReader(store), layers

    def entries(self) -> list[Entry]:
        """Its images, in order."""
        found = []
        keys = self._reader.keys()
        for key in keys:
            attributes = self._reader.attributes(key)
            found.append(Entry(key, attributes["image"], attributes["token"], attributes["status"]))
        return found

    def read(self, entry: Entry) -> tuple[dict[str, Tensor], dict[str, Geometry]]:
        """Features (C, h, w) of each layer, and how it lies on the image."""
        places = self._reader.attributes(entry.key)["geometry"]
        tensors = {layer: torch.from_numpy(self._reader.read(entry.key, layer)) for layer in self._layers}
        return tensors, {layer: Geometry(**places[layer]) for layer in self._layers}

    def known(self, entry: Entry, tensors: Mapping[str, Tensor]) -> Tensor | None:
        """The share of known pixels, (1, k, l); None where none is missing."""
        missing = self._reader.attributes(entry.key).get("missing")
        return torch.from_numpy(self._reader.read(entry.key, "known")) if missing else None


class ShardImages:
    """The images of a shard themselves, from their files, with the keys and tokens that their features have."""

    def __init__(self, manifest: Path) -> None:
        self._rows: list[dict[Any, Any]] = read_table(manifest).to_dict("records")

    def entries(self) -> list[Entry]:
        """Its images, in order."""
        return [
            Entry(f"{index:05d}", row["image"], image_token(row), row["status"]) for index, row in enumerate(self._rows)
        ]

    def read(self, entry: Entry) -> tuple[dict[str, Tensor], dict[str, Geometry]]:
        """The image (3, H, W) as the only layer."""
        image = torch.from_numpy(read_row(self._rows[int(entry.key)])).permute(2, 0, 1).contiguous()
        height, width = image.shape[1:]
        return {IMAGE: image}, {IMAGE: Geometry(height, width, height, width, 1, 0.0)}

    def known(self, entry: Entry, tensors: Mapping[str, Tensor]) -> Tensor | None:
        """The share of known pixels, (1, k, l), of what was read; None where none is missing."""
        image = tensors[IMAGE]
        return known_share(image) if image.isnan().any() else None


def detect_anomalies(
    *,
    source: Path,
    model: Path | None,
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
        source: the shard's store of features; for a detector that reads images, its rows of the table `images`.
        model: what `fit_detector` learned, for a detector that learns.
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
    job.device = choose_device(device, job)
    learned, learned_sha256 = read_model(model) if model else ({}, "")
    shard = ShardImages(source) if detector.reads_image else ShardFeatures(source, layers)
    entries = shard.entries()
    with ShardWriter(output, dtype="float32") as writer:
        for entry in job.progress(entries, len(entries)):
            # A map of another fit does not belong beside those of this one.
            token = f"{entry.token} {learned_sha256}".rstrip()
            job.n_images += 1
            if writer.has(entry.key, token):
                continue
            attributes: dict[str, Any] = {"image": entry.image, "status": entry.status}
            arrays = {}
            if entry.status == "ok":
                try:
                    with job.step("read"):
                        tensors, places = shard.read(entry)
                    with job.step("detect"):
                        more = (learned, entry.image) if model else ()
                        compute = partial(_detect, detector, tensors, places, chosen, *more)
                        found = first_that_fits(
                            [(f"on {device}", partial(compute, device=device)) for device in (job.device, "cpu")],
                            partial(_note_of_image, job, entry.image),
                        )
                    known = shard.known(entry, tensors)
                    arrays = {"map": (found if known is None else calm_missing(found, known)).numpy()}
                    attributes["geometry"] = asdict(places[finest_layer(places)])
                except DamagedError:
                    raise
                except FirstsightError as error:
                    attributes["status"] = f"{job.detector}: {error}"
            with job.step("write"):
                writer.add(entry.key, token, arrays, attributes)


def _detect(
    detector: Detector,
    tensors: Mapping[str, Tensor],
    places: Mapping[str, Geometry],
    chosen: Any,
    *more: Any,
    device: str,
) -> Tensor:
    inputs = {layer: tensor.to(device) for layer, tensor in tensors.items()}
    return detector.detect(inputs, places, chosen, *more).float().cpu()


def _note_of_image(job: Job, image: str, line: str) -> None:
    job.note(f"{image}: {line}")
