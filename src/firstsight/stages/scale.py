"""Stage scale: how fine a collection's texture is, and in which windows it is judged, before features are computed."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstsight.collections.images import read_row
from firstsight.errors import DamagedError, FirstsightError
from firstsight.features.input_size import input_size, input_window
from firstsight.features.registry import find_extractor
from firstsight.features.texture_scale import (
    HELD,
    Scale,
    Size,
    choose_fineness,
    choose_window,
    middle,
    resize_grey,
    shortest_waves,
    unevenness,
    window_candidates,
)
from firstsight.stages.job import Job
from firstsight.storage.json import read_json, write_json
from firstsight.storage.tables import read_table

SAMPLED_IMAGES = 16
"""A collection's scale is found from so many of its images at most."""
SAMPLED_SIDE = 2048
"""Of a larger image its middle is looked at."""
FAR_APART = 2
"""Images are said to differ where the largest shorter side is more than so many times the smallest."""


class Sample(NamedTuple):
    """An image of the sample: its shape, and (h, w) its middle in grey, in [0, 1], without missing pixels."""

    height: int
    width: int
    grey: NDArray[np.float32]


def find_scale(*, manifests: Sequence[Path], output: Path, settings: Mapping[str, Any], seed: int, job: Job) -> None:
    """Find the scale of a collection from a sample of its images.

    Which images these are depends on the seed and on what the files hold, not on names, order or shards.

    Args:
        manifests: rows of the table `images` of all shards.
        output: JSON to make: the fields of `Scale`, which `read_scale` reads. If it is there it is kept: images that
            are added to a collection are judged at the scale of those before.
        settings: the fields of `firstsight.plan.settings.FeatureSettings`.
        seed: of the sample.
    """
    rows = [row for path in manifests for row in read_table(path).to_dict("records") if row["status"] == "ok"]
    chosen = sorted({row["sha256"]: row for row in rows}.values(), key=lambda row: _draw(row["sha256"], seed))
    images: list[Sample] = []
    with job.step("read"):
        for row in job.progress(chosen, min(len(chosen), SAMPLED_IMAGES)):
            if len(images) == SAMPLED_IMAGES:
                break
            try:
                images.append(take_sample(read_row(row)))
            except FirstsightError as error:
                job.note(f"{row['image']}: {error}")
    kept = output.exists()
    with job.step("measure"):
        scale = read_scale(output) if kept else measure_scale(images, settings)
    job.n_images = len(images)
    source = "kept from before images were added" if kept else f"found from {len(images)} images"
    job.says = "no usable image"
    if images:
        job.says = "; ".join([_in_words(images, scale, settings), source, *_far_apart(rows)])
    job.note(job.says)
    write_json(output, asdict(scale))


def read_scale(path: Path) -> Scale:
    """What `find_scale` wrote.

    Raises:
        DamagedError: it is something else.
    """
    stored = read_json(path)
    try:
        return Scale(**stored)
    except TypeError:
        raise DamagedError(f"{str(path)!r} is damaged, it holds no scale", path) from None


def take_sample(image: NDArray[np.float32]) -> Sample:
    """What is looked at of an image (H, W, 3), NaN where a pixel is missing: these get the mean of the others."""
    height, width = image.shape[:2]
    grey = middle(image, SAMPLED_SIDE).mean(axis=2)
    known = np.isfinite(grey)
    return Sample(height, width, np.where(known, grey, grey[known].mean() if known.any() else 0).astype(np.float32))


def measure_scale(images: Sequence[Sample], settings: Mapping[str, Any]) -> Scale:
    """The scale of a collection by a sample of its images; the usual one where there are none.

    Args:
        settings: as for `find_scale`.
    """
    if not images:
        return Scale()
    sides = [min(image.height, image.width) for image in images]
    scale = Scale(*choose_fineness([shortest_waves(image.grey) for image in images], sides))
    sizes = _sizes(images, scale, settings)
    candidates = _candidates(sizes)
    entered = [
        resize_grey(image.grey, (round(rows * size[0] / image.height), round(columns * size[1] / image.width)))
        for image, size, (rows, columns) in zip(images, sizes, [image.grey.shape for image in images], strict=True)
    ]
    deviations = [[unevenness(image, round(HELD * window)) for window in candidates] for image in entered]
    window, coarse = choose_window(deviations, candidates)
    scale = replace(scale, window=window, coarse=coarse)
    return replace(scale, window=_candidates(_sizes(images, scale, settings))[-1]) if coarse else scale


def _candidates(sizes: Sequence[Size]) -> list[float]:
    """The windows among which one is chosen for images that enter at these sizes."""
    return window_candidates(int(np.median([min(size) for size in sizes])))


def _sizes(images: Sequence[Sample], scale: Scale, settings: Mapping[str, Any]) -> list[Size]:
    """The size at which each image enters the extractor."""
    least_side = find_extractor(settings["extractor"], settings["weights"]).least_side
    chosen, given = settings["image_size"], given_window(settings)
    return [
        input_size(image.height, image.width, chosen, least_side=least_side, scale=scale, given=given)
        for image in images
    ]


def given_window(settings: Mapping[str, Any]) -> float | None:
    """The side of the windows that the config sets, pixels of the image; None where it is found."""
    return None if settings["scale"] == "auto" else float(settings["scale"])


def _in_words(images: Sequence[Sample], scale: Scale, settings: Mapping[str, Any]) -> str:
    given = given_window(settings)
    factors, windows = [], []
    for image, size in zip(images, _sizes(images, scale, settings), strict=True):
        factors.append((size[0] * size[1] / (image.height * image.width)) ** 0.5)
        windows.append(input_window(image.height, image.width, size, scale=scale, given=given) / factors[-1])
    judged = f"judged in windows of {_range(windows, '.0f')} pixels"
    if max(factors) == min(factors) == 1:
        return f"{judged}; images enter as they are"
    return f"{judged}; images enter at {_range(factors, '.2g')} times their size"


def _far_apart(rows: Sequence[Mapping[Any, Any]]) -> list[str]:
    """One clause where the images of a collection are far apart in size; rows of the table `images` that are usable."""
    sides = [int(min(row["height"], row["width"])) for row in rows]
    if not sides or max(sides) <= FAR_APART * min(sides):
        return []
    return [f"images differ in size: shorter sides of {min(sides)} to {max(sides)} pixels"]


def _range(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _draw(sha256: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {sha256}".encode()).hexdigest()
