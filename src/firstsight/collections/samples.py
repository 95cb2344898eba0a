"""The pixels of an image as they are stored in its file."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError

PIXEL_LIMIT = 2**29
"""The most pixels that an image may have; an image of this size takes 6 GiB as float32 RGB."""

EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Samples:
    """The pixels of a file before scaling: upright, in the file's number type, without alpha."""

    values: NDArray[Any]
    """(H, W) grey or (H, W, 3) RGB."""
    maximum: int | None
    """The largest value that the file's integer type can hold; None for floats."""
    channels: int
    """Stored samples per pixel, including alpha; a palette image has 1."""
    dtype: str
    """numpy's name of the stored type."""
    missing: NDArray[np.bool_] | None = None
    """(H, W), True where a pixel is missing, because a sample is NaN or its alpha is 0; None if no pixel is missing."""
    fixed: bool = False
    """Whether the values are colours, of which nothing but ``maximum`` can be white: from a palette, or from inks."""
    stated: tuple[float, float] | None = None
    """The values that are black and white by the file itself, where it says more than its type does."""
    nodata: float | None = None
    """The value that stands for no value, by the file itself; NaN needs no name."""
    remark: str | None = None
    """What a user should know of an image that can be used: what was left out, for example."""
    indices: NDArray[Any] | None = None
    """(H, W), what a palette image stores where its palette only tells classes apart (`tells_classes`), or None."""

    def with_remark(self, remark: str) -> "Samples":
        """The same with one more remark."""
        return replace(self, remark=remark if self.remark is None else f"{self.remark}; {remark}")


def check_size(width: int, height: int) -> None:
    """Raise a `FirstsightError` if an image has no pixels, or more than `PIXEL_LIMIT`."""
    if width < 1 or height < 1:
        raise FirstsightError(f"zero size: {width} x {height}")
    if width * height > PIXEL_LIMIT:
        raise FirstsightError(f"too large: {width} x {height} pixels (the limit is {PIXEL_LIMIT:,} pixels)")


def upright(values: NDArray[Any], orientation: Any) -> NDArray[Any]:
    """Turn (H, W) or (H, W, 3) as orientation 1 to 8 says (TIFF 6.0, tag 274); other values change nothing."""
    flipped = values[:, ::-1]
    by_orientation = {
        2: flipped,
        3: np.rot90(values, 2),
        4: values[::-1],
        5: values.swapaxes(0, 1),
        6: np.rot90(values, -1),
        7: np.rot90(flipped, -1),
        8: np.rot90(values, 1),
    }
    return np.ascontiguousarray(by_orientation.get(orientation, values) if isinstance(orientation, int) else values)


def transparent(alpha: NDArray[Any], orientation: Any = 1) -> NDArray[np.bool_] | None:
    """Where alpha (H, W) is 0, upright; None if it is nowhere 0."""
    missing = upright(alpha == 0, orientation)
    return missing if missing.any() else None


def split_alpha(values: NDArray[Any], orientation: Any = 1) -> tuple[NDArray[Any], int, NDArray[np.bool_] | None]:
    """Upright colours (H, W) or (H, W, 3), the number of channels, and where alpha is 0 (None: nowhere)."""
    channels = 1 if values.ndim == 2 else values.shape[2]
    colours = values if values.ndim == 2 else values[..., 0] if channels < 3 else values[..., :3]
    missing = transparent(values[..., -1], orientation) if channels in {2, 4} else None
    return upright(colours, orientation), channels, missing


def with_nodata(samples: Samples) -> Samples:
    """Mark pixels of the value ``nodata`` as missing; without it `SENTINELS` that lie far from all other values.

    Among colours such a value stands for none where a pixel has it in all channels; one that no channel can have, in
    any.

    Raises:
        FirstsightError: no pixel is left.
    """
    values, nodata = samples.values, samples.nodata
    if nodata is None and values.dtype.kind in "if":
        nodata = _sentinel(values)
    if nodata is None or np.isnan(nodata):
        return samples
    marked = values == np.float32(nodata) if values.dtype == np.float32 else values == nodata
    if not marked.any():
        return samples
    if marked.all():
        raise FirstsightError(f"every pixel is missing: all have the value {nodata:g}, which stands for no value")
    missing = marked
    if marked.ndim == 3:
        others = values[~marked]
        is_beyond = values.dtype.kind != "u" and not np.fmin.reduce(others) <= nodata <= np.fmax.reduce(others)
        missing = marked.any(axis=2) if is_beyond else marked.all(axis=2)
    if not missing.any():
        return samples
    if samples.missing is not None:
        missing = missing | samples.missing
    remark = f"pixels of the value {nodata:g} count as missing"
    return replace(samples, missing=missing).with_remark(remark)


SENTINELS = (-9999.0, -99999.0, -32768.0, float(np.finfo(np.float32).min), float(np.finfo(np.float64).min))
"""Values that programs write where they have none."""


def _sentinel(values: NDArray[Any]) -> float | None:
    """The value that stands for no value although the file does not say so."""
    lowest = np.fmin.reduce(values, axis=None)
    if float(lowest) not in SENTINELS:
        return None
    others = values[values > lowest].astype(np.float64)
    if not others.size:
        return None
    spread = others.max() / 4 - others.min() / 4
    return float(lowest) if spread < (others.min() / 4 - float(lowest) / 4) / 4 else None


def tells_classes(palette: NDArray[Any]) -> bool:
    """Whether the colours (n, 3) of a palette stand for numbers: they are no greys, and black, if any, is the first."""
    if (palette == palette[:, :1]).all():
        return False
    black = (palette == 0).all(axis=1)
    return bool(black[0]) or not black.any()


def without_nan(samples: Samples) -> Samples:
    """Mark pixels with NaN as missing, and replace every NaN by the lowest value; integers are returned unchanged.

    Raises:
        FirstsightError: a value is infinite, or no pixel is left.
    """
    values = samples.values
    if values.dtype.kind != "f":
        return samples
    if np.isinf([np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)]).any():
        raise FirstsightError("not finite: it holds infinite values")
    nan = np.isnan(values)
    if nan.all():
        raise FirstsightError("every pixel is missing")
    if not nan.any():
        return samples
    missing = nan if nan.ndim == 2 else nan.any(axis=2)
    if samples.missing is not None:
        missing = missing | samples.missing
    return replace(samples, values=np.where(nan, np.nanmin(values), values), missing=missing)
