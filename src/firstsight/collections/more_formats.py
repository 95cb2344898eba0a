"""Decoding what phones, scanners and clinics write besides the usual formats: AVIF, HEIF, JPEG 2000 and DICOM."""

import struct
from typing import Any, BinaryIO

import imagecodecs
import numpy as np
from PIL import features
from PIL.ImageFile import ImageFile as PillowFile

from firstsight.collections.samples import Samples, check_size, split_alpha
from firstsight.errors import FirstsightError

JPEG_2000_CODE_STREAM = b"\xff\x4f\xff\x51"
HEAD_BYTES = 132
"""So many bytes of a file tell its format."""


def more_kind(head: bytes) -> str | None:
    """The format of a file, "AVIF", "HEIF", "JPEG 2000" or "DICOM", by its first `HEAD_BYTES`; None for any other."""
    if head[4:8] == b"ftyp":
        brands = head[8 : int.from_bytes(head[:4], "big")]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        if any(brand in brands for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"mif1", b"msf1")):
            return "HEIF"
    if head.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000_CODE_STREAM)):
        return "JPEG 2000"
    return "DICOM" if head[128:132] == b"DICM" else None


def pillow_plugin(kind: str) -> type[PillowFile]:
    """Pillow's class for AVIF or HEIF.

    Raises:
        FirstsightError: it is not installed.
    """
    if kind == "AVIF":
        if not features.check("avif"):
            raise FirstsightError("AVIF image, which this Pillow cannot read")
        from PIL.AvifImagePlugin import AvifImageFile  # noqa: PLC0415

        return AvifImageFile
    try:
        # A library that is not always there.
        from pillow_heif import HeifImageFile  # noqa: PLC0415
    except ImportError:
        raise FirstsightError("HEIF image: install firstsight[formats] to have it read") from None
    plugin: type[PillowFile] = HeifImageFile
    return plugin


def decode_jpeg_2000(file: BinaryIO) -> Samples:
    """Decode a JPEG 2000 image; its channels are those of a PNG. What imagecodecs raises is passed on."""
    file.seek(0)
    data = file.read()
    start = data.index(JPEG_2000_CODE_STREAM)
    right, bottom, left, top = struct.unpack(">4I", data[start + 8 : start + 24])
    check_size(right - left, bottom - top)
    depth = data[start + 42]
    values = imagecodecs.jpeg2k_decode(data)
    colours, channels, missing = split_alpha(values)
    is_signed = depth & 0x80
    maximum = int(np.iinfo(values.dtype).max) if is_signed else 2 ** ((depth & 0x7F) + 1) - 1
    stated = None if is_signed or maximum in {255, 65535} else (0.0, float(maximum))
    return Samples(colours, maximum, channels, str(values.dtype), missing, stated=stated)


def decode_dicom(file: BinaryIO) -> Samples:
    """Decode the first frame of a DICOM image, in stored values, light as large ones; padding is missing.

    Raises:
        FirstsightError: pydicom is not installed, or cannot read the file.
    """
    try:
        # A library that is not always there.
        import pydicom  # noqa: PLC0415
        from pydicom.pixels.processing import apply_color_lut  # noqa: PLC0415
        from pydicom.pixels.utils import pixel_array  # noqa: PLC0415
    except ImportError:
        raise FirstsightError("DICOM image: install firstsight[formats] to have it read") from None
    file.seek(0)
    try:
        data = pydicom.dcmread(file)
        if "Rows" not in data or "Columns" not in data:
            raise FirstsightError("DICOM file without an image")
        check_size(int(data.Columns), int(data.Rows))
        photometric = str(data.PhotometricInterpretation)
        values = pixel_array(data, index=0)
        if photometric == "PALETTE COLOR":
            values = apply_color_lut(values, data)
    except (pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException, NotImplementedError) as error:
        raise FirstsightError(f"DICOM image that cannot be read: {' '.join(str(error).split())[:100]}") from None
    depth = 8 * values.itemsize if photometric == "PALETTE COLOR" else int(data.BitsStored)
    is_signed = values.dtype.kind == "i"
    maximum = int(np.iinfo(values.dtype).max) if is_signed else 2**depth - 1
    missing = _padding(data, values) if values.ndim == 2 else None
    if photometric == "MONOCHROME1":
        values = (-1 if is_signed else maximum) - values
    stated = None if is_signed or depth == 8 * values.itemsize else (0.0, float(maximum))
    channels = 1 if values.ndim == 2 else values.shape[2]
    fixed = photometric == "PALETTE COLOR"
    frames = int(data.get("NumberOfFrames") or 1)
    remark = f"only the first of its {frames} frames is read" if frames > 1 else None
    return Samples(values, maximum, channels, str(values.dtype), missing, fixed, stated, remark=remark)


def _padding(data: Any, values: Any) -> Any:
    """Where a file of DICOM says that nothing was seen; None: nowhere."""
    value = data.get("PixelPaddingValue")
    if value is None:
        return None
    limits = sorted((int(value), int(data.get("PixelPaddingRangeLimit", value))))
    missing = (values >= limits[0]) & (values <= limits[1])
    return missing if missing.any() else None
