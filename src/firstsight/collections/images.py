"""Reading one image or one mask, whatever its kind, and saying in one line why it cannot be read.

What a file is, is told by its first bytes, not by its suffix. PNG, JPEG, BMP and WebP are decoded by Pillow, TIFF by
tifffile, 16-bit PNG by imagecodecs (Pillow would reduce colour to 8 bits). Of a file with several pages or frames the
first one is read. Nothing here unpickles or runs anything found in a file.
"""

import hashlib
import logging
import math
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.ImageFile import ImageFile as PillowFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from firstsight.collections.homogeneity import LARGEST_SCORE, texture_score
from firstsight.collections.readers import ImageFile, printable
from firstsight.errors import FirstsightError

PIXEL_LIMIT = 2**29
"""Most pixels an image may have; a decoded image of this size takes 6 GiB as float32 RGB."""

EXIF_ORIENTATION = 0x0112

# What the decoders throw at damaged files, found by mutating files; those of imagecodecs are RuntimeErrors.
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

# tifffile logs what it finds odd in a file; without a handler Python would print that to stderr.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PILLOW_LOCK = threading.Lock()


@dataclass(frozen=True)
class Samples:
    """The pixels of a file before scaling: upright, in the file's own number type, without alpha."""

    values: NDArray[Any]
    """(H, W) grey or (H, W, 3) RGB."""
    maximum: int | None
    """The largest value that the file's integer type can hold; None for floats."""
    channels: int
    """Samples a pixel as stored, alpha included; a palette image has 1."""
    dtype: str
    """Type of the samples as stored, as numpy names it."""


def read_image(path: Path) -> NDArray[np.float32]:
    """Read an image: (H, W, 3) float32, RGB in [0, 1], rotated as its EXIF (or TIFF) orientation says.

    Integers are divided by the largest value of their type (255, 65535, 1 for bits, 4095 for 12-bit TIFF). Floats in
    [0, 1] are taken as they are. Other floats, and integers below zero, are scaled so that the image's minimum
    becomes 0 and its maximum 1. Grey is repeated three times. Alpha is dropped, not blended with a colour: what a
    camera saw is in the colours, and any background would put edges into the texture. Colour profiles are not
    applied.

    Raises:
        FirstsightError: one short line, fit for a table, that says why it cannot be read, without the file's name.
    """
    values = _scale(_read_samples(path))
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask: (H, W) bool, True where anomalous, rotated as `read_image` does.

    True is a value above half of the type's range (8 bits: above 127). Only where the largest integer in the file is
    1 does 1 count as anomalous. Of a coloured mask the largest of the three channels is taken, so that any strong
    colour on black counts.

    Raises:
        FirstsightError: as `read_image`.
    """
    samples = _read_samples(path)
    if samples.values.ndim == 3:
        samples = replace(samples, values=samples.values.max(axis=2))
    if samples.maximum is None or samples.values.min() < 0:
        return np.asarray(_scale(samples) > 0.5)
    threshold = 0 if samples.values.max() == 1 else samples.maximum // 2
    return np.asarray(samples.values > threshold)


def inspect_image(file: ImageFile) -> dict[str, str | int | float | None]:
    """One row of the manifest: what the file holds and whether it can be used. Never raises for what a file does.

    Returns:
        image, path: as listed, bytes that are not UTF-8 escaped.
        sha256: of the file's bytes; None where they cannot be read.
        width, height (pixels, upright), channels, dtype: of the file's samples; None where it cannot be decoded.
        status: "ok", or the reason why the image is set aside.
        texture_score, is_texture: how differently its parts look, and whether they are alike enough; None for an image
            that is set aside or too small to say.
    """
    row: dict[str, str | int | float | None] = {
        "image": printable(file.image),
        "path": printable(file.path),
        "sha256": _sha256(file.path),
        "width": None,
        "height": None,
        "channels": None,
        "dtype": None,
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
        if _is_constant(samples.values):
            raise FirstsightError("constant image: every pixel has the same value")
        score = texture_score(_scale(samples))
        row |= {"texture_score": score, "is_texture": None if score is None else score <= LARGEST_SCORE}
    except FirstsightError as error:
        row["status"] = str(error)
    return row


def inspect_mask(path: Path, height: int, width: int) -> str:
    """Whether the mask of an image of this size (pixels) can be used: "ok", or why not. Never raises for a file."""
    try:
        mask_height, mask_width = read_mask(path).shape
    except FirstsightError as error:
        return f"mask cannot be read: {error}"
    if (mask_height, mask_width) != (height, width):
        return f"mask is {mask_width} x {mask_height}, image is {width} x {height}"
    return "ok"


def _sha256(path: Path) -> str | None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None


def _is_constant(values: NDArray[Any]) -> bool:
    colours = values.reshape(values.shape[0] * values.shape[1], -1)
    return bool((colours.min(axis=0) == colours.max(axis=0)).all())


def _scale(samples: Samples) -> NDArray[np.float32]:
    values = samples.values
    lowest, highest = values.min(), values.max()
    if samples.maximum is not None and lowest >= 0:
        scaled = values.astype(np.float32)
        scaled /= np.float32(samples.maximum)
        return scaled
    if lowest >= 0 and highest <= 1:
        return values.astype(np.float32)
    # Halves first: the difference of two finite numbers may not be finite.
    values = values.astype(np.result_type(values.dtype, np.float32)) / 2
    lowest, highest = values.min(), values.max()
    if lowest == highest:
        return np.zeros(values.shape, np.float32)
    return np.asarray((values - lowest) / (highest - lowest), np.float32)


def _read_samples(path: Path) -> Samples:
    """The one place where what a file, or a decoder, does wrong becomes a FirstsightError."""
    kind = None
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise FirstsightError("not a file")
        with open(path, "rb") as file:
            kind = _kind(file.read(16))
            samples = _decode_tiff(file) if kind == "TIFF" else _decode_with_pillow(file, PLUGINS[kind])
    except FirstsightError:
        raise
    except FileNotFoundError:
        raise FirstsightError("no such file") from None
    except MemoryError:
        raise FirstsightError("not enough memory to decode it") from None
    except DECODER_ERRORS as error:
        raise FirstsightError(_reason(error, kind)) from error
    if samples.values.dtype.kind == "f" and not np.isfinite([samples.values.min(), samples.values.max()]).all():
        raise FirstsightError("not finite: it holds NaN or infinite values")
    return samples


def _reason(error: BaseException, kind: str | None) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be {'opened' if kind is None else 'read'}: {error.strerror}"
    text = " ".join(str(error).split())
    if kind is None:
        return f"cannot be opened: {text}"
    if isinstance(error, EOFError) or any(sign in text.lower() for sign in TRUNCATED):
        return f"truncated {kind} file"
    # So Pillow says it of every format.
    text = text.replace("not identified by this driver", "zero size, or colours of an unknown kind")
    # The text of a slip inside a decoder ("list index out of range") would tell the user nothing.
    told = isinstance(error, OSError | SyntaxError | ValueError | RuntimeError) and text
    return f"damaged {kind} file" + (f": {text[:100]}" if told else "")


TRUNCATED = ("truncated", "too small", "failed to read", "end of file", "unexpected end")


def _kind(head: bytes) -> str:
    if not head:
        raise FirstsightError("empty file")
    for kind, signatures in SIGNATURES.items():
        if head.startswith(signatures):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    raise FirstsightError("not a PNG, JPEG, TIFF, BMP or WebP image")


SIGNATURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "BMP": (b"BM",),
}
# Pillow's own classes instead of Image.open, which would also try formats that nobody asked for.
PLUGINS: dict[str, type[PillowFile]] = {
    "PNG": PngImageFile,
    "JPEG": JpegImageFile,
    "BMP": BmpImageFile,
    "WebP": WebPImageFile,
}


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise FirstsightError(f"zero size: {width} x {height}")
    if width * height > PIXEL_LIMIT:
        raise FirstsightError(f"too large: {width} x {height} pixels (the limit is {PIXEL_LIMIT:,} pixels)")


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Pillow without its warnings and its own limit on size, both put back; only for as long as headers are read."""
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
    _check_size(*image.size)
    image.load()
    with _quiet_pillow():
        try:
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)
        except DECODER_ERRORS:
            orientation = 1
    if plugin is PngImageFile and head[24] == 16:
        file.seek(0)
        values = imagecodecs.png_decode(file.read())
        channels = 1 if values.ndim == 2 else values.shape[2]
        colours = values if channels == 1 else values[..., 0] if channels == 2 else values[..., :3]
        return Samples(_upright(colours, orientation), 65535, channels, "uint16")
    channels = len(image.getbands())
    if image.mode == "1":
        return Samples(_upright(np.asarray(image), orientation), 1, 1, "bool")
    if image.mode == "P":
        # By way of RGBA, since Pillow warns where a palette with transparency becomes RGB at once.
        image = image.convert("RGBA")
    elif image.mode == "CMYK":
        image = image.convert("RGB")
    values = np.asarray(image)
    if image.mode not in {"L", "LA", "RGB", "RGBA"}:
        raise FirstsightError(f"pixels of Pillow's mode '{image.mode}' are not supported")
    values = values[..., :3] if image.mode.startswith("RGB") else values[..., 0] if values.ndim == 3 else values
    return Samples(_upright(values, orientation), 255, channels, "uint8")


def _decode_tiff(file: BinaryIO) -> Samples:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        _check_size(int(page.imagewidth), int(page.imagelength))
        # tifffile fills with zeros what the file does not hold.
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        if len(segments) < math.prod(page.chunked) or any(start + count > size for start, count in segments):
            raise FirstsightError("truncated TIFF file")
        values = page.asarray(maxworkers=1)
        # (planes, depth, H, W, samples a pixel): planes are the channels where these are stored one after the other.
        values = values.reshape(page.shaped)[:, 0]
        values = np.moveaxis(values, 0, -1)[..., 0, :] if values.shape[0] > 1 else values[0]
        channels = values.shape[2]
        colours, maximum = _tiff_colours(page, values)
        tag = page.tags.get(EXIF_ORIENTATION)
        orientation = 1 if tag is None else tag.value
        return Samples(_upright(colours, orientation), maximum, channels, str(values.dtype))


def _tiff_colours(page: Any, values: NDArray[Any]) -> tuple[NDArray[Any], int | None]:
    """Grey (H, W) or RGB (H, W, 3) from (H, W, samples a pixel), with the largest value that an integer may take."""
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    match values.dtype.kind:
        case "b":
            maximum: int | None = 1
        case "u":
            maximum = 2 ** int(page.bitspersample) - 1
        case "i":
            maximum = int(np.iinfo(values.dtype).max)
        case "f":
            maximum = None
        case _:
            raise FirstsightError(f"samples of type {values.dtype} are not supported")
    channels = values.shape[2]
    # tifffile itself turns YCbCr into RGB where the compression is JPEG, the only case in use.
    is_rgb = photometric is tifffile.PHOTOMETRIC.RGB or (
        photometric is tifffile.PHOTOMETRIC.YCBCR and page.compression in {6, 7, 34892}
    )
    if is_rgb and channels >= 3:
        return values[..., :3], maximum
    if photometric is tifffile.PHOTOMETRIC.MINISBLACK:
        return values[..., 0], maximum
    if photometric is tifffile.PHOTOMETRIC.MINISWHITE:
        return (maximum or 1) - values[..., 0], maximum
    if photometric is tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        # Of a colour's 16 bits, writers give v * 257, v * 256 or just v for the 8-bit value v.
        colormap = page.colormap >> 8 if page.colormap.max() > 255 else page.colormap
        return colormap[:, values[..., 0]].transpose(1, 2, 0), 255
    if photometric is tifffile.PHOTOMETRIC.SEPARATED and channels >= 4 and maximum is not None:
        ink = values[..., :4].astype(np.float32) / np.float32(maximum)
        return (1 - ink[..., :3]) * (1 - ink[..., 3:]), None
    raise FirstsightError(f"TIFF colours of kind {photometric.name} with {channels} samples a pixel are not supported")


def _upright(values: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Turn (H, W) or (H, W, 3) as orientation 1 to 8 says (TIFF 6.0, tag 274); any other leaves it as it is."""
    flipped = values[:, ::-1]
    turned = {
        2: flipped,
        3: np.rot90(values, 2),
        4: values[::-1],
        5: values.swapaxes(0, 1),
        6: np.rot90(values, -1),
        7: np.rot90(flipped, -1),
        8: np.rot90(values, 1),
    }
    return np.ascontiguousarray(turned.get(orientation, values) if isinstance(orientation, int) else values)
