"""Decoding one page of a TIFF."""

import math
import os
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from firstsight.collections.samples import (
    EXIF_ORIENTATION,
    Samples,
    check_size,
    tells_classes,
    transparent,
    upright,
)
from firstsight.collections.tiff_pages import full_pages, main_page, read_pages
from firstsight.errors import FirstsightError

ALPHA_SAMPLES = (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)


def decode_tiff(file: BinaryIO, index: int | None = None) -> Samples:
    """Decode one page of a TIFF, upright: ``index``, or the main one, with a remark on others that are images, too.

    For a damaged file, whatever tifffile and imagecodecs raise is passed on.
    """
    left_out = None
    if index is None:
        pages = read_pages(file)
        index, count = main_page(pages), len(full_pages(pages))
        left_out = f"only page {index + 1} of {count} is read" if count > 1 else None
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    with tifffile.TiffFile(file, _multifile=False) as tiff:
        page = tiff.pages[index]
        if left_out is None and index == 0 and tiff.is_imagej and len(tiff.pages) == 1:
            declared = int((tiff.imagej_metadata or {}).get("images", 1))
            left_out = f"only the first of its {declared} images is read" if declared > 1 else None
        check_size(int(page.imagewidth), int(page.imagelength))
        # tifffile would replace missing data by zeros.
        segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
        if len(segments) < math.prod(page.chunked) or any(start + count > size for start, count in segments):
            raise FirstsightError("truncated TIFF file")
        values = page.asarray(maxworkers=1)
        # (planes, depth, H, W, samples per pixel): the planes are the channels if these are stored one after the other.
        values = values.reshape(page.shaped)[:, 0]
        values = np.moveaxis(values, 0, -1)[..., 0, :] if values.shape[0] > 1 else values[0]
        channels = values.shape[2]
        has_alpha = bool(page.extrasamples) and page.extrasamples[-1] in ALPHA_SAMPLES
        colours, maximum = _tiff_colours(page, values, channels - has_alpha)
        fixed = tifffile.PHOTOMETRIC(page.photometric) in {tifffile.PHOTOMETRIC.PALETTE, tifffile.PHOTOMETRIC.SEPARATED}
        tag = page.tags.get(EXIF_ORIENTATION)
        orientation = 1 if tag is None else tag.value
        missing = transparent(values[..., -1], orientation) if has_alpha else None
        is_map = page.photometric == tifffile.PHOTOMETRIC.PALETTE and tells_classes(page.colormap.T)
        samples = Samples(
            upright(colours, orientation),
            maximum,
            channels,
            str(values.dtype),
            missing,
            fixed=fixed,
            indices=upright(values[..., 0], orientation) if is_map else None,
        )
        bands = channels - has_alpha
        used = 1 if colours.ndim == 2 else 4 if fixed and channels >= 4 else min(3, bands)
        if bands > used and not (fixed and colours.ndim == 3 and channels == 1):
            last = f" to {bands}" if bands > used + 1 else ""
            samples = samples.with_remark(f"band{'s' if last else ''} {used + 1}{last} of {bands} not read")
        if left_out is not None:
            samples = samples.with_remark(left_out)
        return replace(samples, stated=_stated(page, values.dtype), nodata=_nodata(page))


def _nodata(page: Any) -> float | None:
    """The value that stands for no value, by the tag of GDAL."""
    tag = page.tags.get(GDAL_NODATA)
    try:
        return None if tag is None else float(str(tag.value).strip().strip("\0"))
    except ValueError:
        return None


GDAL_NODATA = 42113

LEAST_GREATEST = ((340, 341), (280, 281))
"""The tags SMinSampleValue and SMaxSampleValue, MinSampleValue and MaxSampleValue."""


def _stated(page: Any, dtype: np.dtype[Any]) -> tuple[float, float] | None:
    """What is black and white by the tags of a page, where these say less than the type."""
    if tifffile.PHOTOMETRIC(page.photometric) not in {tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB}:
        return None
    whole = (0.0, 0.0) if dtype.kind not in "iu" else (float(np.iinfo(dtype).min), float(np.iinfo(dtype).max))
    for names in LEAST_GREATEST:
        low, high = (page.tags.get(name) for name in names)
        if high is None:
            continue
        lows = np.asarray(0 if low is None else low.value, np.float64).reshape(-1)
        highs = np.asarray(high.value, np.float64).reshape(-1)
        found = (float(lows.min()), float(highs.max())) if lows.size and highs.size else whole
        if np.isfinite(found).all() and found[0] < found[1] and found != whole:
            return found
    bits = int(page.bitspersample)
    return (0.0, float(2**bits - 1)) if dtype.kind == "u" and 8 < bits < 8 * dtype.itemsize else None


def _tiff_colours(page: Any, values: NDArray[Any], bands: int) -> tuple[NDArray[Any], int | None]:
    """Grey (H, W) or RGB (H, W, 3) from (H, W, samples per pixel), and the largest value of an integer type.

    ``bands``: samples per pixel without alpha. Three and more that are called grey are colours, too: so programs for
    maps write them.
    """
    grey = (..., 0) if bands < 3 else (..., slice(3))
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
    # tifffile converts YCbCr to RGB if the compression is JPEG, the only case in use.
    is_rgb = photometric is tifffile.PHOTOMETRIC.RGB or (
        photometric is tifffile.PHOTOMETRIC.YCBCR and page.compression in {6, 7, 34892}
    )
    if is_rgb and channels >= 3:
        return values[..., :3], maximum
    if photometric is tifffile.PHOTOMETRIC.MINISBLACK:
        return values[grey], maximum
    if photometric is tifffile.PHOTOMETRIC.MINISWHITE:
        return (maximum or 1) - values[grey], maximum
    if photometric is tifffile.PHOTOMETRIC.PALETTE and page.colormap is not None:
        # For the 8-bit value v, writers store v * 257, v * 256 or just v in the 16 bits of a colour.
        colormap = page.colormap >> 8 if page.colormap.max() > 255 else page.colormap
        return colormap[:, values[..., 0]].transpose(1, 2, 0), 255
    if photometric is tifffile.PHOTOMETRIC.SEPARATED and channels >= 4 and maximum is not None:
        ink = values[..., :4].astype(np.float32) / np.float32(maximum)
        return (1 - ink[..., :3]) * (1 - ink[..., 3:]), None
    raise FirstsightError(f"TIFF colours of kind {photometric.name} with {channels} samples a pixel are not supported")
