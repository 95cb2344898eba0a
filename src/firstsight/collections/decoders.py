"""From a file, or an address in a stack, to its samples, or to one line that says why it cannot be read.

The first bytes of a file decide its format, not its suffix. Pillow decodes PNG, JPEG, BMP and WebP, tifffile decodes
TIFF, imagecodecs 16-bit PNG (Pillow would reduce colours to 8 bits); for others see
`firstsight.collections.more_formats`. Of several frames the first one is read, of several pages the largest; an image
of a stack has an address, see `firstsight.collections.stacks`. Nothing here unpickles or runs anything in a file.
"""

import logging
import os
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
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

from firstsight.collections.more_formats import HEAD_BYTES, decode_dicom, decode_jpeg_2000, more_kind, pillow_plugin
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
from firstsight.errors import FirstsightError

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


def read_samples(path: Path, *, is_mask: bool = False) -> Samples:
    """Decode a file; the one place where the faults of files and decoders become a FirstsightError.

    Args:
        path: of the file, or an address in a stack.
        is_mask: its values are marks, of which none stands for no value, whatever the file says.

    Raises:
        FirstsightError: one short line, without the file's name, that says why it cannot be read.
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


def starts_as_jpeg(path: Path) -> bool:
    """Whether a file is JPEG, which blurs the values of a mask, by its first bytes."""
    with open(path, "rb") as file:
        return file.read(3) in SIGNATURES["JPEG"]


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
    values = read_slice(address)
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


def read_slice(address: Address) -> NDArray[Any]:
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
