"""Stage features: the features of every image of a shard, in one store."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cache, partial
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from firstsight.collections.images import image_token, mask_in, read_row
from firstsight.errors import FirstsightError
from firstsight.features import load_extractor
from firstsight.features.extractor import Extractor
from firstsight.features.filling import fill_missing, known_share
from firstsight.features.input_size import input_size, input_window
from firstsight.features.texture_scale import Size
from firstsight.features.tiling import TILE_SIZE
from firstsight.stages.ahead import read_ahead
from firstsight.stages.batches import BATCH_PIXELS, Extract, extract_each, fitting_extraction, plan_batches
from firstsight.stages.devices import choose_device
from firstsight.stages.job import Job
from firstsight.stages.scale import given_window, read_scale
from firstsight.storage.archives import refuse_damaged
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter
from firstsight.storage.tables import read_table

Entry = tuple[dict[str, Any], dict[str, Any]]
"""Arrays and attributes of an image in the store."""

READ_AHEAD_PIXELS = 8 * TILE_SIZE**2
"""Reading ahead keeps at most so many pixels of images in memory: 100 MB, unless a single image is larger."""


class Planned(NamedTuple):
    """An image before it is read.

    Attributes:
        size: (height, width) at which it enters the extractor; None if it does not.
        window: side of the windows in which it is judged there, pixels.
    """

    key: str
    token: str
    row: Mapping[Any, Any]
    size: Size | None
    window: float


class Prepared(NamedTuple):
    """An image that has been read.

    Attributes:
        image: (3, h, w) as it enters the extractor, without missing pixels.
        height, width: of the image itself.
        missing: share of its pixels that are missing.
        known: (1, k, l), `known_share` where pixels are missing.
    """

    image: Tensor
    height: int
    width: int
    missing: float
    known: NDArray[np.float32] | None


def extract_features(
    *,
    manifest: Path,
    scale: Path,
    output: Path,
    settings: Mapping[str, Any],
    layers: Sequence[str],
    threads: int,
    job: Job,
    tuned: Path | None = None,
) -> None:
    """Compute the features of every usable image of a shard.

    Threads read ahead, and images of one size are computed in batches, which depend only on the rows of the shard and
    the kind of device: a batch is computed again even if some of its images are there already, so that a job that was
    interrupted ends with the same features as one that was not.

    Args:
        manifest: the shard's rows of the table `images`.
        scale: the collection's scale, which `firstsight.stages.scale.find_scale` wrote.
        output: Zarr store to make: for every image an entry with an array (C, h, w) for every layer. Missing pixels are
            filled before an image enters the extractor, and its entry has `known_share` as ``known`` besides. The entry
            of an image that cannot be used has no arrays, and its ``status`` says why.
        settings: the fields of `firstsight.plan.settings.FeatureSettings`.
        layers: names of the layers to compute.
        threads: CPU threads to use.
        tuned: weights that `tune_to_images` wrote, used instead of those of the settings.

    Raises:
        FirstsightError: the extractor cannot be loaded (unknown weights, no network, wrong file); `DamagedError`: the
            tuned weights are damaged.
    """
    torch.set_num_threads(threads)
    if tuned:
        refuse_damaged(tuned)
    rows: list[dict[Any, Any]] = read_table(manifest).to_dict("records")

    def load(device: str) -> Extractor:
        return load_extractor(
            settings["extractor"],
            weights=tuned or settings["weights"],
            layers=tuple(layers),
            border=settings["border"],
            device=device,
        )

    with job.step("load"):
        extractor = load(choose_device(settings["device"], job))
    job.device, job.weights_sha256 = str(extractor.device), extractor.weights_sha256 or ""
    # Features that other tuned weights made are not finished ones.
    by = f" {extractor.weights_sha256}" if tuned else ""
    found, given = read_scale(scale), given_window(settings)

    def planned(index: int, row: Mapping[Any, Any]) -> Planned:
        key, token = f"{index:05d}", image_token(row) + by
        if row["status"] != "ok":
            return Planned(key, token, row, None, found.window)
        height, width = int(row["height"]), int(row["width"])
        least_side = extractor.spec.least_side
        size = input_size(height, width, settings["image_size"], least_side=least_side, scale=found, given=given)
        window = input_window(height, width, size, scale=found, given=given)
        # Nor are those of another size, or for other windows, if the scale has changed.
        return Planned(key, f"{token} {size[0]}x{size[1]} {window:g}", row, size, window)

    images = [planned(index, row) for index, row in enumerate(rows)]
    with ShardWriter(output, dtype=settings["dtype"]) as writer:
        n_done = sum(1 for _ in takewhile(lambda image: writer.has(image.key, image.token), images))
        batches = plan_batches([image.size for image in images], BATCH_PIXELS[extractor.device.type])
        begins = {batch.start: batch for batch in batches if batch.stop > n_done}
        to_read = [images[index] for batch in begins.values() for index in batch if images[index].size]
        extract = fitting_extraction(extractor, cache(partial(load, "cpu")), job.note)
        with read_ahead(to_read, _prepare, cost=_pixels, budget=READ_AHEAD_PIXELS, threads=threads) as prepared:
            for index, image in enumerate(job.progress(images, len(images))):
                job.n_images += 1
                if index in begins:
                    # Nothing of the batch before stays in memory while this one is read.
                    read: dict[int, Prepared | FirstsightError] = {}
                    entries: dict[int, Entry] = {}
                    with job.step("read"):
                        read = {key: next(prepared) for key in begins[index] if images[key].size}
                if index < n_done or writer.has(image.key, image.token):
                    continue
                if image.size is None:
                    entries[index] = {}, {"status": image.row["status"]}
                elif index not in entries:
                    with job.step("extract"):
                        entries |= _entries(read, images, extract, extractor)
                    read = {}
                with job.step("write"):
                    _write(writer, image, *entries.pop(index))


def resize_image(image: Tensor, size: Size) -> Tensor:
    """Resize (B, 3, H, W) in [0, 1] to (B, 3, *size), bilinearly with antialiasing."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    return interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


def _pixels(image: Planned) -> int:
    assert image.size is not None
    return max(int(image.row["height"] * image.row["width"]), image.size[0] * image.size[1])


def _prepare(image: Planned) -> Prepared:
    assert image.size is not None
    values = read_row(image.row)
    missing = float(np.isnan(values).any(axis=2).mean())
    whole = torch.from_numpy(values).permute(2, 0, 1)
    known = known_share(whole).numpy() if missing else None
    height, width = whole.shape[1:]
    resized = resize_image(fill_missing(whole)[None], image.size)[0]
    return Prepared(resized, height, width, missing, known)


def _entries(
    read: Mapping[int, Prepared | FirstsightError], images: Sequence[Planned], extract: Extract, extractor: Extractor
) -> dict[int, Entry]:
    """For every image of a batch its entry in the store."""
    good = {index: image for index, image in read.items() if isinstance(image, Prepared)}
    features = dict(zip(good, extract_each(extract, [image.image for image in good.values()]), strict=True))
    entries: dict[int, Entry] = {}
    for index, image in read.items():
        result = image if isinstance(image, FirstsightError) else features[index]
        if isinstance(result, FirstsightError) or isinstance(image, FirstsightError):
            entries[index] = {}, {"status": str(result)}
            continue
        geometries = {
            layer: asdict(
                Geometry(
                    height=image.height,
                    width=image.width,
                    input_height=image.image.shape[1],
                    input_width=image.image.shape[2],
                    stride=extractor.strides[layer],
                    offset=extractor.offsets[layer],
                    window=images[index].window,
                )
            )
            for layer in result
        }
        arrays = {} if image.known is None else {"known": image.known}
        arrays |= {layer: values.numpy() for layer, values in result.items()}
        attributes = {"status": "ok", "geometry": geometries, "missing": image.missing}
        ignored = mask_in(images[index].row, "ignored")
        entries[index] = arrays, attributes if ignored is None else {**attributes, "ignored": str(ignored)}
    return entries


def _write(writer: ShardWriter, image: Planned, arrays: Mapping[str, Any], attributes: dict[str, Any]) -> None:
    names = {"image": image.row["image"], "token": image.token}
    try:
        writer.add(image.key, image.token, arrays, names | attributes)
    except FirstsightError as error:
        writer.add(image.key, image.token, {}, names | {"status": str(error)})
