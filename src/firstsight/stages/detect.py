"""Stage detect: from the features of a shard, or from its images themselves, to anomaly maps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from firstsight.collections.images import image_token, mask_in, read_row
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.missing import calm_missing
from firstsight.detectors.registry import DETECTORS, IMAGE, Detector
from firstsight.errors import FirstsightError
from firstsight.features.filling import known_share
from firstsight.stages.ahead import read_ahead
from firstsight.stages.devices import choose_device, first_that_fits
from firstsight.stages.fit import read_model
from firstsight.stages.job import Job
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardReader, ShardWriter
from firstsight.storage.tables import read_table

READ_AHEAD_VALUES = 32 * 2**20
"""Reading ahead keeps at most so many values of features or images in memory: 128 MB, unless one image has more."""


class Entry(NamedTuple):
    """One image of a shard, before it is read; ``values``: how many of its features, or of its pixels, are read."""

    key: str
    image: str
    token: str
    status: str
    values: int


class Content(NamedTuple):
    """What a detector reads of an image.

    Attributes:
        tensors: features (C, h, w) of each layer, or the image (3, H, W) as the only one.
        places: how each layer lies on the image.
        known: the share of known pixels, (1, k, l); None where none is missing.
        ignored: the mask of pixels that are no part of the texture, if there is one.
    """

    tensors: dict[str, Tensor]
    places: dict[str, Geometry]
    known: Tensor | None
    ignored: str | None = None


class ShardFeatures:
    """The features of a shard, from its store."""

    def __init__(self, store: Path, layers: Sequence[str]) -> None:
        self._reader, self._layers = ShardReader(store), layers

    def entries(self) -> list[Entry]:
        """Its images, in order."""
        entries = []
        keys = self._reader.keys()
        for key in keys:
            attributes = self._reader.attributes(key)
            layers = self._layers if attributes["status"] == "ok" else ()
            values = sum(math.prod(self._reader.shape(key, layer)) for layer in layers)
            entries.append(Entry(key, attributes["image"], attributes["token"], attributes["status"], values))
        return entries

    def read(self, entry: Entry) -> Content:
        """The features of one image; called in several threads."""
        attributes = self._reader.attributes(entry.key)
        tensors = {layer: torch.from_numpy(self._reader.read(entry.key, layer)) for layer in self._layers}
        places = {layer: Geometry(**attributes["geometry"][layer]) for layer in self._layers}
        known = torch.from_numpy(self._reader.read(entry.key, "known")) if attributes.get("missing") else None
        return Content(tensors, places, known, attributes.get("ignored"))


class ShardImages:
    """The images of a shard themselves, from their files, with the keys and tokens that their features have."""

    def __init__(self, manifest: Path) -> None:
        self._rows: list[dict[Any, Any]] = read_table(manifest).to_dict("records")

    def entries(self) -> list[Entry]:
        """Its images, in order."""
        return [
            Entry(
                key=f"{index:05d}",
                image=row["image"],
                token=image_token(row),
                status=row["status"],
                values=3 * int(row["height"] * row["width"]) if row["status"] == "ok" else 0,
            )
            for index, row in enumerate(self._rows)
        ]

    def read(self, entry: Entry) -> Content:
        """One image as the only layer; called in several threads."""
        row = self._rows[int(entry.key)]
        image = torch.from_numpy(read_row(row)).permute(2, 0, 1).contiguous()
        height, width = image.shape[1:]
        known = known_share(image) if image.isnan().any() else None
        places = {IMAGE: Geometry(height, width, height, width, 1, 0.0)}
        ignored = mask_in(row, "ignored")
        return Content({IMAGE: image}, places, known, None if ignored is None else str(ignored))


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
        output: Zarr store to make: one entry for every image with the float32 array ``map`` (h, w), and in its
            attributes how the map lies on the image. The ``status`` of an image without a map says why.
        method, settings, layers, device, threads: as for `fit_detector`, of any detector.
    """
    torch.set_num_threads(threads)
    detector = DETECTORS[method]
    chosen = detector.settings(**settings)
    job.device = choose_device(device, job)
    learned, learned_sha256 = read_model(model) if model else ({}, "")
    shard = ShardImages(source) if detector.reads_image else ShardFeatures(source, layers)

    def detect(image: str, content: Content) -> Tensor:
        more = (learned, image) if model else ()
        compute = partial(compute_map, detector, content, chosen, *more)
        anomaly_map = first_that_fits(
            [(f"on {device}", partial(compute, device=device)) for device in (job.device, "cpu")],
            lambda line: job.note(f"{image}: {line}"),
        )
        return anomaly_map if content.known is None else calm_missing(anomaly_map, content.known)

    # Maps that another fit made are not finished ones.
    entries = [entry._replace(token=f"{entry.token} {learned_sha256}".rstrip()) for entry in shard.entries()]
    with ShardWriter(output, dtype="float32") as writer:
        n_done = sum(1 for _ in takewhile(lambda entry: writer.has(entry.key, entry.token), entries))
        usable = [entry for entry in entries[n_done:] if entry.status == "ok"]
        with read_ahead(
            usable, shard.read, cost=lambda entry: entry.values, budget=READ_AHEAD_VALUES, threads=threads
        ) as contents:
            for index, entry in enumerate(job.progress(entries, len(entries))):
                job.n_images += 1
                if index < n_done:
                    continue
                content = None
                if entry.status == "ok":
                    with job.step("read"):
                        content = next(contents)
                if writer.has(entry.key, entry.token):
                    continue
                attributes: dict[str, Any] = {"image": entry.image, "status": entry.status}
                arrays = {}
                if content is not None:
                    try:
                        if isinstance(content, FirstsightError):
                            raise content
                        with job.step("detect"):
                            arrays["map"] = detect(entry.image, content).numpy()
                        attributes["geometry"] = asdict(content.places[finest_layer(content.places)])
                        if content.ignored is not None:
                            attributes["ignored"] = content.ignored
                    except FirstsightError as error:
                        attributes["status"] = f"{job.detector}: {error}"
                with job.step("write"):
                    writer.add(entry.key, entry.token, arrays, attributes)


def compute_map(detector: Detector, content: Content, chosen: Any, *more: Any, device: str) -> Tensor:
    """The anomaly map (h, w) of one image, on the CPU.

    Args:
        detector: the method.
        content: of the image.
        chosen: the method's settings.
        more: of a method that learns, what it learned and the image's name.
        device: where it computes.
    """
    inputs = {layer: tensor.to(device) for layer, tensor in content.tensors.items()}
    return detector.detect(inputs, content.places, chosen, *more).float().cpu()
