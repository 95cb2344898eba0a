"""Reading one image or one mask of any format, or saying in one line why it cannot be read.

The first bytes of a file decide its format, not its suffix. Pillow decodes PNG, JPEG, BMP and WebP, tifffile decodes
TIFF, imagecodecs 16-bit PNG (Pillow would reduce colours to 8 bits); for others see
`firstsight.collections.more_formats`. Of several frames the first one is read, of several pages the largest; an image
of a stack has an address, see `firstsight.collections.stacks`. Nothing here unpickles or runs anything in a file.
"""

import hashlib
import logging
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import pandas
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from firstsight.collections.folders import printable
from firstsight.collections.homogeneity import LARGEST_SCORE, texture_score
from firstsight.collections.mask_values import MaskRule, StoredValues, find_convention
from firstsight.collections.more_formats import HEAD_BYTES, decode_dicom, decode_jpeg_2000, more_kind, pillow_plugin
from firstsight.collections.readers import ImageFile
from firstsight.collections.samples import (
    EXIF_ORIENTATION,
    Samples,
    check_size,
    split_alpha,
    tells_classes,
    upright,
    with_nodata,
    without_nan,
)
from firstsight.collections.stacks import Address, image_shape, open_data, parse_address
from firstsight.collections.tiff import decode_tiff
from firstsight.collections.value_range import DrawnValues, ValueRange, draw_values, is_flat, is_open, scale_values
from firstsight.errors import FirstsightError

# What the decoders raise for damaged files, collected by mutating files; errors of imagecodecs are RuntimeErrors.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    RuntimeError,
    EOFError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    struct.error,
    zlib.error,
    tifffile.TiffFileError,
)

# tifffile logs oddities of a file; without a handler Python would print them to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PILLOW_LOCK = threading.Lock()


def read_image(path: Path, missing: Path | None = None, limits: ValueRange | None = None) -> NDArray[np.float32]:
    """Read the image at a path or address: (H, W, 3) float32, RGB in [0, 1], rotated as its EXIF orientation says.

    A pixel is missing, and NaN in all channels, if one of its samples is NaN, if its alpha is 0, or if the mask
    ``missing`` (a file that `read_mask` can read) says so.

    Values are brought to [0, 1] by ``limits``, the range of the collection (`firstsight.collections.value_range`).
    Without it integers are divided by the largest value of their type (255, 65535, 1 for bits, 4095 for 12-bit TIFF).
    Floats in [0, 1] are kept. Other floats, and images with negative integers, are scaled so that the image's minimum
    becomes 0 and its maximum 1. Grey is repeated three times. Any other alpha is dropped, not blended with a colour:
    the colours are what the camera saw, and a background would add edges to the texture. Colour profiles are not
    applied.

    Raises:
        FirstsightError: one short line for a table, without the file's name, that says why it cannot be read.
    """
    samples = _with_missing(_read_samples(path), missing)
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
    samples = _read_samples(path, is_mask=True)
    if samples.missing is not None and samples.values.dtype.kind == "f":
        raise FirstsightError("a mask cannot hold NaN")
    lossy = parse_address(path) is None and _starts_as_jpeg(path)
    if samples.indices is not None:
        return StoredValues(samples.indices, lossy)
    if samples.missing is not None:
        visible = samples.values[~samples.missing | samples.missing.all()]
        if (visible == visible[0]).all():
            return StoredValues((~samples.missing).astype(np.uint8), lossy)
    values = samples.values
    return StoredValues(values.max(axis=2) if values.ndim == 3 else values, lossy)


def _starts_as_jpeg(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(3) in SIGNATURES["JPEG"]


def inspect_image(
    file: ImageFile, find_limits: Callable[[], ValueRange | None] | None = None, *, always: bool = False
) -> dict[str, str | int | float | None]:
    """One row of the manifest: what the file holds and whether it can be used. Never raises because of a file.

    Args:
        file: the image.
        find_limits: gives the range of values of the collection; called only for an image that leaves it open.
        always: whether the range holds for images of 8 bits, too.

    Returns:
        image, path, missing: as listed, with bytes that are not UTF-8 escaped.
        sha256: of the file's bytes, in a stack of the image's values; None if they cannot be read.
        width, height (pixels, upright), channels, dtype: of the file's samples; None if it cannot be decoded.
        value_low, value_high: the values that are black and white; None where the type leaves no doubt.
        remark: what else a user should know, such as what was left out; None: nothing.
        status: "ok", or the reason why the image is set aside.
        texture_score, is_texture: how much its parts differ, and whether they are alike enough; None for an image that
            is set aside or too small to tell.
    """
    row: dict[str, str | int | float | None] = {
        "image": printable(file.image),
        "path": printable(file.path),
        "missing": None if file.missing is None else printable(file.missing),
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
    if file.problem is not None:
        return row
    try:
        samples = _read_samples(file.path)
        height, width = samples.values.shape[:2]
        row |= {"width": width, "height": height, "channels": samples.channels, "dtype": samples.dtype}
        row["remark"] = samples.remark
        samples = _with_missing(samples, file.missing)
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
    except FirstsightError as error:
        row["status"] = str(error)
    return row


def file_sha256(path: Path) -> str | None:
    """The sha256 of a file, or of an image of a stack, in hexadecimal digits; None if it cannot be read."""
    address = parse_address(path)
    try:
        if address is not None:
            return hashlib.sha256(np.ascontiguousarray(_read_slice(address)).data).hexdigest()
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FirstsightError, MemoryError, *DECODER_ERRORS):
        return None


def _with_missing(samples: Samples, mask: Path | None) -> Samples:
    """The samples, also without the pixels that a mask marks as missing; refused if no pixel is left."""
    missing = samples.missing
    if missing is not None and missing.all():
        raise FirstsightError("every pixel is missing: it is transparent throughout")
    if mask is not None:
        try:
            marked = read_mask(mask)
        except FirstsightError as error:
            raise FirstsightError(f"mask of missing pixels cannot be read: {error}") from None
        if marked.shape != samples.values.shape[:2]:
            sizes = [f"{width} x {height}" for height, width in (marked.shape, samples.values.shape[:2])]
            raise FirstsightError(f"mask of missing pixels is {sizes[0]}, image is {sizes[1]}")
        missing = marked if missing is None else missing | marked
    if missing is not None and missing.all():
        raise FirstsightError("every pixel is missing")
    return replace(samples, missing=missing)


def _is_constant(samples: Samples) -> bool:
    known = np.ones(samples.values.shape[:2], bool) if samples.missing is None else ~samples.missing
    colours = samples.values[known]
    return bool((colours.min(axis=0) == colours.max(axis=0)).all())


def draw_from(path: Path) -> DrawnValues | None:
    """Values of an image for the range of its collection; None if it leaves nothing open, or cannot be read."""
    try:
        samples = _read_samples(path)
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


def _read_samples(path: Path, *, is_mask: bool = False) -> Samples:
    """Decode a file; the one place where the faults of files and decoders become a FirstsightError.

    ``is_mask``: its values are marks, of which none stands for no value, whatever the file says.
    """
    kind = None
    try:
        address = parse_address(path)
        if address is not None:
            kind = address.kind
            samples = _decode_slice(address)
        else:
            if not stat.S_ISREG(os.stat(path).st_mode):
                raise FirstsightError("not a file")
            with open(path, "rb") as file:
                kind = _kind(file.read(HEAD_BYTES))
                samples = _decode(file, kind)
        return without_nan(samples if is_mask else with_nodata(samples))
    except FirstsightError:
        raise
    except FileNotFoundError:
        raise FirstsightError("no such file") from None
    except MemoryError:
        raise FirstsightError("not enough memory to decode it") from None
    except DECODER_ERRORS as error:
        raise FirstsightError(_reason(error, kind)) from error


def _decode(file: BinaryIO, kind: str) -> Samples:
    match kind:
        case "TIFF":
            return decode_tiff(file)
        case "JPEG 2000":
            return decode_jpeg_2000(file)
        case "DICOM":
            return decode_dicom(file)
        case _:
            return _decode_with_pillow(file, PLUGINS.get(kind) or pillow_plugin(kind))


def _reason(error: BaseException, kind: str | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be {'opened' if kind is None else 'read'}: {error.strerror}"
    text = " ".join(str(error).split())
    if kind is None:
        return f"cannot be opened: {text}"
    if isinstance(error, EOFError) or any(phrase in text.lower() for phrase in TRUNCATED):
        return f"truncated {kind} file"
    # Pillow's wording, the same for every format.
    text = text.replace("not identified by this driver", "zero size, or colours of an unknown kind")
    # The text of a decoder's own bug ("list index out of range") would tell the user nothing.
    is_helpful = isinstance(error, OSError | SyntaxError | ValueError | RuntimeError) and text
    return f"damaged {kind} file" + (f": {text[:100]}" if is_helpful else "")


TRUNCATED = ("truncated", "too small", "failed to read", "end of file", "unexpected end")


def _kind(head: bytes) -> str:
    if not head:
        raise FirstsightError("empty file")
    for known, signatures in SIGNATURES.items():
        if head.startswith(signatures):
            return known
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    kind = more_kind(head)
    if kind is None:
        raise FirstsightError("not a PNG, JPEG, TIFF, BMP, WebP, AVIF, HEIF, JPEG 2000 or DICOM image")
    return kind


SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "BMP": (b"BM",),
}
# Pillow's classes instead of Image.open, which would also try formats that are not supported here.
PLUGINS: dict[str, type[PillowFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "BMP": BmpImageFile,
    "WebP": WebPImageFile,
}


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings and lift its size limit while headers are read, and restore both afterwards."""
    with _PILLOW_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def _decode_with_pillow(file: BinaryIO, plugin: type[PillowFile]) -> Samples:
    file.seek(0)
    head = file.read(26)
    file.seek(0)
    with _quiet_pillow():
        image: Image.Image = plugin(file)
    check_size(*image.size)
    frames = int(getattr(image, "n_frames", 1))
    remark = f"only the first of its {frames} frames is read" if frames > 1 else None
    image.load()
    with _quiet_pillow():
        try:
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        except DECODER_ERRORS:
            orientation = 1
    if plugin is PngImageFile and head[24] == 16:
        file.seek(0)
        colours, channels, missing = split_alpha(imagecodecs.png_decode(file.read()), orientation)
        return Samples(colours, 65535, channels, "uint16", missing, remark=remark)
    channels = len(image.getbands())
    indices = None
    if image.mode == "1":
        return Samples(upright(np.asarray(image), orientation), 1, 1, "bool")
    if image.mode == "P":
        if tells_classes(np.asarray(image.getpalette(), np.uint8).reshape(-1, 3)):
            indices = upright(np.asarray(image), orientation)
        # Through RGBA, since Pillow warns when a palette with transparency is converted to RGB directly.
        image = image.convert("RGBA")
    elif image.mode == "CMYK":
        image = image.convert("RGB")
    values = np.asarray(image)
    if image.mode not in {"L", "LA", "RGB", "RGBA"}:
        raise FirstsightError(f"pixels of Pillow's mode '{image.mode}' are not supported")
    colours, _, missing = split_alpha(values, orientation)
    if plugin is BmpImageFile and missing is not None and missing.all():
        # Most programs leave the fourth byte of a pixel empty.
        missing = None
    return Samples(colours, 255, channels, "uint8", missing, remark=remark, indices=indices)


def _decode_slice(address: Address) -> Samples:
    """The image at an address; its channels are those of a PNG: grey, grey and alpha, RGB, or RGB and alpha."""
    if address.inside is None:
        with open(address.file, "rb") as file:
            return decode_tiff(file, address.index or 0)
    values = _read_slice(address)
    colours, channels, missing = split_alpha(values)
    nodata, remark = _said_of(address)
    match values.dtype.kind:
        case "f":
            maximum = None
        case "b":
            maximum = 1
        case _:
            maximum = int(np.iinfo(values.dtype).max)
    return Samples(colours, maximum, channels, values.dtype.name, missing, nodata=nodata, remark=remark)


def _said_of(address: Address) -> tuple[float | None, str | None]:
    """The value that stands for no value by the attributes of a data set; a remark where its axes are in doubt."""
    with open_data(address) as data:
        shape = data.shape
        given = [np.asarray(data.attrs[name]).reshape(-1) for name in NODATA_ATTRIBUTES if name in data.attrs]
    numbers = [float(value[0]) for value in given if value.size == 1 and value.dtype.kind in "iuf"]
    nodata = next((number for number in numbers if np.isfinite(number)), None)
    may_be_colour = address.index is not None and len(shape) == 3 and shape[0] in {3, 4} and min(shape[1:]) > shape[0]
    doubt = f"the data set of shape {shape} is read as {shape[0]} images; one colour image would be (H, W, C)"
    return nodata, doubt if may_be_colour else None


NODATA_ATTRIBUTES = ("_FillValue", "missing_value", "nodata", "NODATA", "nodata_value")
"""Attributes of a data set that say which value stands for no value."""


def _read_slice(address: Address) -> NDArray[Any]:
    """The stored values of one image of a stack: (H, W) or (H, W, C)."""
    if address.inside is None:
        with tifffile.TiffFile(address.file, _multifile=False) as tiff:
            page = tiff.pages[address.index or 0]
            check_size(int(page.imagewidth), int(page.imagelength))
            return page.asarray(maxworkers=1)
    with open_data(address) as data:
        height, width = image_shape(data.shape, address)[:2]
        check_size(width, height)
        if address.index is not None and address.index >= data.shape[0]:
            raise FirstsightError(f"no such image: the data set holds {data.shape[0]}")
        return np.asarray(data[()] if address.index is None else data[address.index])


def image_token(row: Mapping[Any, Any]) -> str:
    """All that the pixels of an image depend on: its id, its file, the mask of its missing pixels, and its status.

    Args:
        row: a row of the table `images`.
    """
    mask = "" if pandas.isna(row["missing"]) else f" {file_sha256(Path(row['missing']))}"
    limits = limits_of(row)
    values = "" if limits is None else f" {limits.low!r} to {limits.high!r}"
    return f"{row['image']} {row['sha256']} {row['status']}{mask}{values}"


def limits_of(row: Mapping[Any, Any]) -> ValueRange | None:
    """The range of values of a row of the table `images`; None where its type leaves no doubt."""
    low, high = row.get("value_low"), row.get("value_high")
    return None if low is None or high is None or pandas.isna(low) else ValueRange(float(low), float(high))


def read_row(row: Mapping[Any, Any]) -> NDArray[np.float32]:
    """The image (H, W, 3) of a row of the table `images`, NaN where a pixel is missing."""
    missing = None if pandas.isna(row["missing"]) else Path(row["missing"])
    return read_image(Path(row["path"]), missing, limits_of(row))
