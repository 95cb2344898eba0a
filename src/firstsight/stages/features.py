"""Stage features: every image of a shard through the extractor, into one store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from firstsight.archives import refuse_damaged
from firstsight.detectors.geometry import Geometry
from firstsight.errors import FirstsightError
from firstsight.features import EXTRACTORS, load_extractor
from firstsight.features.extractor import Extractor
from firstsight.features.missing import fill_missing, known_share
from firstsight.features.store import ShardWriter
from firstsight.features.tiling import extract_tiled
from firstsight.reports.tables import read_table
from firstsight.stages.devices import choose_device, first_that_fits
from firstsight.stages.job import Job
from firstsight.stages.shards import image_token, read_row

Size = tuple[int, int]

LARGEST_FACTOR = 4.0
"""No image is enlarged more than this: there is nothing more to see in it."""
SMALL_TILE = 256
"""Side, in pixels, of the tiles of an image that did not fit on the GPU in larger ones."""


def extract_features(
    *,
    manifest: Path,
    output: Path,
    settings: Mapping[str, Any],
    layers: Sequence[str],
    threads: int,
    job: Job,
    tuned: Path | None = None,
) -> None:
    """Compute the features of every usable image of a shard.

    Args:
        manifest: the shard's rows of the table `images`.
        output: Zarr store to make: one entry an image, one array (C, h, w) a layer, and for an image with missing
            pixels, filled before they entered the extractor, `known_share` as ``known``. An image that cannot be used
            has an entry without arrays whose ``status`` says why.
        settings: the fields of `firstsight.config.FeatureSettings`.
        layers: names of the layers to compute.
        threads: CPU threads to use.
        job: where time and counts are noted.
        tuned: weights that `tune_to_images` wrote, in the place of those of the settings.

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
    # Features by other tuned weights do not belong beside those by these.
    by = f" {extractor.weights_sha256}" if tuned else ""
    with ShardWriter(output, dtype=settings["dtype"]) as writer:
        for index, row in enumerate(job.progress(rows, len(rows))):
            key, token = f"{index:05d}", image_token(row) + by
            job.n_images += 1
            if writer.has(key, token):
                continue
            with job.step("extract"):
                arrays, attributes = _entry(row, extractor, lambda: load("cpu"), settings["image_size"], job)
            names = {"image": row["image"], "token": token}
            with job.step("write"):
                try:
                    writer.add(key, token, arrays, names | attributes)
                except FirstsightError as error:
                    writer.add(key, token, {}, names | {"status": str(error)})


def input_size(height: int, width: int, image_size: int | Sequence[int] | str | None, least_side: int | None) -> Size:
    """Height and width at which an image enters the extractor.

    Args:
        height, width: of the image, pixels.
        image_size: n: n x n; [h, w]: as it says; None: as it is; "auto": enlarged, at most `LARGEST_FACTOR` times,
            until the shorter side has ``least_side`` pixels.
        least_side: of the extractor; None: "auto" leaves images as they are.
    """
    if isinstance(image_size, int):
        return image_size, image_size
    if image_size == "auto" and least_side is not None:
        factor = min(max(1.0, least_side / min(height, width)), LARGEST_FACTOR)
        return round(height * factor), round(width * factor)
    if image_size is None or isinstance(image_size, str):
        return height, width
    return image_size[0], image_size[1]


def resize_image(image: Tensor, size: Size) -> Tensor:
    """Resize (B, 3, H, W) in [0, 1] to (B, 3, *size), bilinearly with antialiasing."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    return interpolate(image, size=size, mode="bilinear", align_corners=False, antialias=True).clamp(0, 1)


def _entry(
    row: Mapping[Any, Any], extractor: Extractor, load_on_cpu: Callable[[], Extractor], image_size: Any, job: Job
) -> tuple[dict[str, Any], dict[str, Any]]:
    if row["status"] != "ok":
        return {}, {"status": row["status"]}
    try:
        whole = read_row(row)
        missing = float(np.isnan(whole).any(axis=2).mean())
        image = torch.from_numpy(whole).permute(2, 0, 1)
        arrays = {"known": known_share(image).numpy()} if missing else {}
        image = fill_missing(image)[None]
        least_side = EXTRACTORS[extractor.name].least_side
        resized = resize_image(image, input_size(image.shape[2], image.shape[3], image_size, least_side))
        features = first_that_fits(
            [
                ("in large tiles", lambda: extract_tiled(extractor, resized)),
                ("in small tiles", lambda: extract_tiled(extractor, resized, tile_size=SMALL_TILE)),
                ("on the CPU", lambda: extract_tiled(load_on_cpu(), resized)),
            ],
            lambda line: job.note(f"{row['image']}: {line}"),
        )
    except FirstsightError as error:
        return {}, {"status": str(error)}
    geometries = {
        layer: asdict(
            Geometry(
                height=image.shape[2],
                width=image.shape[3],
                input_height=resized.shape[2],
                input_width=resized.shape[3],
                stride=extractor.strides[layer],
                offset=extractor.offsets[layer],
            )
        )
        for layer in features
    }
    arrays |= {layer: tensor[0].numpy() for layer, tensor in features.items()}
    return arrays, {"status": "ok", "geometry": geometries, "missing": missing}
