"""Reading one image or one mask of any format, or saying in one line why it cannot be read."""

import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.collections.copies import N_PHASES, phases_of
from firstsight.collections.decoders import DECODER_ERRORS, read_samples, read_slice, starts_as_jpeg
from firstsight.collections.folders import printable
from firstsight.collections.homogeneity import LARGEST_SCORE, texture_score
from firstsight.collections.mask_values import MaskRule, StoredValues, find_convention
from firstsight.collections.readers import ImageFile
from firstsight.collections.samples import Samples
from firstsight.collections.stacks import parse_address
from firstsight.collections.value_range import DrawnValues, ValueRange, draw_values, is_flat, is_open, scale_values
from firstsight.errors import FirstsightError


def read_image(
    path: Path, missing: Path | None = None, limits: ValueRange | None = None, ignored: Path | None = None
) -> NDArray[np.float32]:
    """Read the image at a path or address: (H, W, 3) float32, RGB in [0, 1], rotated as its EXIF orientation says.

    A pixel is missing, and NaN in all channels, if one of its samples is NaN, if its alpha is 0, or if one of the
    masks ``missing`` and ``ignored`` (files that `read_mask` can read) says so.

    Values are brought to [0, 1] by ``limits``, the range of the collection (`firstsight.collections.value_range`).
    Without it integers are divided by the largest value of their type (255, 65535, 1 for bits, 4095 for 12-bit TIFF).
    Floats in [0, 1] are kept. Other floats, and images with negative integers, are scaled so that the image's minimum
    becomes 0 and its maximum 1. Grey is repeated three times. Any other alpha is dropped, not blended with a colour:
    the colours are what the camera saw, and a background would add edges to the texture. Colour profiles are not
    applied.

    Raises:
        FirstsightError: one short line for a table, without the file's name, that says why it cannot be read.
    """
    samples = _with_missing(read_samples(path), missing, ignored)
    values = _scale(samples, limits)
    image = np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values
    if samples.missing is not None:
        image[samples.missing] = np.nan
    return image


def read_mask(path: Path, rule: MaskRule | None = None) -> NDArray[np.bool_]:
    """Read a mask: (H, W) bool, True where anomalous, rotated as `read_image` does.

    Args:
        path: of the mask, or its address.
        rule: which of its values are anomalous; None: as `find_convention` says of this mask alone.

    Raises:
        FirstsightError: as `read_image`.
    """
    stored = read_mask_values(path)
    return (rule or find_convention([stored]).rule).anomalous(stored.pixels)


def read_mask_values(path: Path) -> StoredValues:
    """The values of a mask, (H, W).

    Grey is as it is; a colour is its largest channel, so that any strong colour on black counts; of a palette whose
    colours tell classes apart, the index; alpha, if what is visible (all, if nothing is) has one colour throughout.
    """
    samples = read_samples(path, is_mask=True)
    if samples.missing is not None and samples.values.dtype.kind == "f":
        raise FirstsightError("a mask cannot hold NaN")
    lossy = parse_address(path) is None and starts_as_jpeg(path)
    if samples.indices is not None:
        return StoredValues(samples.indices, lossy)
    if samples.missing is not None:
        visible = samples.values[~samples.missing | samples.missing.all()]
        if (visible == visible[0]).all():
            return StoredValues((~samples.missing).astype(np.uint8), lossy)
    values = samples.values
    return StoredValues(values.max(axis=2) if values.ndim == 3 else values, lossy)


class Inspected(NamedTuple):
    """What was seen of an image.

    Attributes:
        row: of the manifest, see `inspect_image`.
        phases: by which its copies are found, see `phases_of`; NaN for an image that is set aside.
    """

    row: dict[str, str | int | float | None]
    phases: NDArray[np.float16]


def inspect_image(
    file: ImageFile, find_limits: Callable[[], ValueRange | None] | None = None, *, always: bool = False
) -> dict[str, str | int | float | None]:
    """One row of the manifest: what the file holds and whether it can be used. Never raises because of a file.

    Args:
        file: the image.
        find_limits: gives the range of values of the collection; called only for an image that leaves it open.
        always: whether the range holds for images of 8 bits, too.

    Returns:
        image, path, missing, ignored: as listed, with bytes that are not UTF-8 escaped.
        sha256: of the file's bytes, in a stack of the image's values; None if they cannot be read.
        width, height (pixels, upright), channels, dtype: of the file's samples; None if it cannot be decoded.
        value_low, value_high: the values that are black and white; None where the type leaves no doubt.
        remark: what else a user should know, such as what was left out; None: nothing.
        status: "ok", or the reason why the image is set aside.
        texture_score, is_texture: how much its parts differ, and whether they are alike enough; None for an image that
            is set aside or too small to tell.
    """
    return inspect_content(file, find_limits, always=always).row


def inspect_content(
    file: ImageFile, find_limits: Callable[[], ValueRange | None] | None = None, *, always: bool = False
) -> Inspected:
    """The row of `inspect_image`, and what else can be told from the pixels while they are there."""
    row: dict[str, str | int | float | None] = {
        "image": printable(file.image),
        "path": printable(file.path),
        "missing": None if file.missing is None else printable(file.missing),
        "ignored": None if file.ignored is None else printable(file.ignored),
        "sha256": file_sha256(file.path),
        "width": None,
        "height": None,
        "channels": None,
        "dtype": None,
        "value_low": None,
        "value_high": None,
        "remark": None,
        "status": file.problem or "ok",
        "texture_score": None,
        "is_texture": None,
    }
    phases = np.full(N_PHASES, np.nan, np.float16)
    if file.problem is not None:
        return Inspected(row, phases)
    try:
        samples = read_samples(file.path)
        height, width = samples.values.shape[:2]
        row |= {"width": width, "height": height, "channels": samples.channels, "dtype": samples.dtype}
        row["remark"] = samples.remark
        samples = _with_missing(samples, file.missing, file.ignored)
        if _is_constant(samples):
            raise FirstsightError("constant image: every pixel has the same value")
        limits = find_limits() if find_limits is not None and (always or is_open(samples)) else None
        if limits is not None and _follows_range(samples):
            row |= {"value_low": limits.low, "value_high": limits.high}
        scaled = _scale(samples, limits)
        if is_flat(scaled, samples.missing):
            row["remark"] = samples.with_remark("it fills less than a thousandth of the range of values").remark
        score = texture_score(scaled, samples.missing)
        row |= {"texture_score": score, "is_texture": None if score is None else score <= LARGEST_SCORE}
        phases = phases_of(scaled, samples.missing)
    except FirstsightError as error:
        row["status"] = str(error)
    return Inspected(row, phases)


def file_sha256(path: Path) -> str | None:
    """The sha256 of a file, or of an image of a stack, in hexadecimal digits; None if it cannot be read."""
    address = parse_address(path)
    try:
        if address is not None:
            return hashlib.sha256(np.ascontiguousarray(read_slice(address)).data).hexdigest()
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FirstsightError, MemoryError, *DECODER_ERRORS):
        return None


def _with_missing(samples: Samples, missing: Path | None, ignored: Path | None) -> Samples:
    """The samples, also without the pixels that a mask marks as missing or ignored; refused if no pixel is left."""
    if samples.missing is not None and samples.missing.all():
        raise FirstsightError("every pixel is missing: it is transparent throughout")
    for what, mask in (("missing", missing), ("ignored", ignored)):
        if mask is None:
            continue
        try:
            marked = read_mask(mask)
        except FirstsightError as error:
            raise FirstsightError(f"mask of {what} pixels cannot be read: {error}") from None
        if marked.shape != samples.values.shape[:2]:
            sizes = [f"{width} x {height}" for height, width in (marked.shape, samples.values.shape[:2])]
            raise FirstsightError(f"mask of {what} pixels is {sizes[0]}, image is {sizes[1]}")
        samples = replace(samples, missing=marked if samples.missing is None else samples.missing | marked)
        if samples.missing is not None and samples.missing.all():
            raise FirstsightError(f"every pixel is {what}")
    if samples.missing is not None and samples.missing.all():
        raise FirstsightError("every pixel is missing")
    return samples


def _is_constant(samples: Samples) -> bool:
    known = np.ones(samples.values.shape[:2], bool) if samples.missing is None else ~samples.missing
    colours = samples.values[known]
    return bool((colours.min(axis=0) == colours.max(axis=0)).all())


def draw_from(path: Path) -> DrawnValues | None:
    """Values of an image for the range of its collection; None if it leaves nothing open, or cannot be read."""
    try:
        samples = read_samples(path)
    except FirstsightError:
        return None
    return draw_values(samples) if is_open(samples) else None


def _follows_range(samples: Samples) -> bool:
    """Whether a range of the collection holds for an image: its values are no bits, and its file leaves them open."""
    return samples.dtype != "bool" and not samples.fixed


def _scale(samples: Samples, limits: ValueRange | None = None) -> NDArray[np.float32]:
    if limits is not None and _follows_range(samples):
        return scale_values(samples, limits)
    values = samples.values
    if samples.missing is not None and is_open(samples) and not samples.missing.all():
        # What stands for no value may lie far from all values.
        values = np.where(
            samples.missing.reshape(values.shape[:2] + (1,) * (values.ndim - 2)), values[~samples.missing].min(), values
        )
    lowest, highest = values.min(), values.max()
    if samples.maximum is not None and lowest >= 0:
        scaled = values.astype(np.float32)
        scaled /= np.float32(samples.maximum)
        return scaled
    if lowest >= 0 and highest <= 1:
        return values.astype(np.float32)
    # Halved first: the difference of two finite numbers may be infinite.
    values = values.astype(np.result_type(values.dtype, np.float32)) / 2
    lowest, highest = values.min(), values.max()
    if lowest == highest:
        return np.zeros(values.shape, np.float32)
    return np.asarray((values - lowest) / (highest - lowest), np.float32)


def image_token(row: Mapping[Any, Any]) -> str:
    """All that the pixels of an image depend on: its id, its file, the masks of pixels without a value, and its status.

    Args:
        row: a row of the table `images`.
    """
    mask = "".join(f" {file_sha256(path)}" for path in (mask_in(row, "missing"), mask_in(row, "ignored")) if path)
    limits = limits_of(row)
    values = "" if limits is None else f" {limits.low!r} to {limits.high!r}"
    return f"{row['image']} {row['sha256']} {row['status']}{mask}{values}"


def limits_of(row: Mapping[Any, Any]) -> ValueRange | None:
    """The range of values of a row of the table `images`; None where its type leaves no doubt."""
    low, high = row.get("value_low"), row.get("value_high")
    return None if low is None or high is None or pandas.isna(low) else ValueRange(float(low), float(high))


def read_row(row: Mapping[Any, Any]) -> NDArray[np.float32]:
    """The image (H, W, 3) of a row of the table `images`, NaN where a pixel is missing or ignored."""
    return read_image(Path(row["path"]), mask_in(row, "missing"), limits_of(row), mask_in(row, "ignored"))


def mask_in(row: Mapping[Any, Any], column: str) -> Path | None:
    """The mask that a row of the table `images` names in the column ``missing`` or ``ignored``."""
    mask = row.get(column)
    return None if mask is None or pandas.isna(mask) else Path(mask)
