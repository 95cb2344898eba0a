"""The pixels of an image as its file holds them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError

PIXEL_LIMIT = 2**29
"""Most pixels an image may have; a decoded image of this size takes 6 GiB as float32 RGB."""

EXIF_ORIENTATION = 0x0112


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


def check_size(width: int, height: int) -> None:
    """Raise a `FirstsightError` where an image has no pixels, or more than `PIXEL_LIMIT`."""
    if width < 1 or height < 1:
        raise FirstsightError(f"zero size: {width} x {height}")
    if width * height > PIXEL_LIMIT:
        raise FirstsightError(f"too large: {width} x {height} pixels (the limit is {PIXEL_LIMIT:,} pixels)")


def upright(values: NDArray[Any], orientation: Any) -> NDArray[Any]:
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
