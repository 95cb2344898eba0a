"""Which values are black and which white, once for a whole collection, where its files leave that open.

Eight bits leave nothing open: 0 is black, 255 white. With more bits, or with floats, what a type can hold says nothing
about what its images hold: cameras write 12 bits into 16, thermal images lie within a few hundred of 65,536 values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstsight.collections.samples import Samples

DRAWN_VALUES = 10_000
"""So many pixels of an image are drawn at most."""

OUTLIERS = 1e-4
"""Share of values on either side that do not count, such as dead and hot pixels."""

MOST_BEYOND = 0.05
"""Share of values that may lie beyond the range that files state, if they are to be believed."""

USUAL_BITS = (8, 10, 12, 14, 16, 24, 32)
"""What cameras and scanners have."""

LEAST_SHARE = 1 / 8
"""Where the values take less than this share of the way from zero to the largest, they are spread over the range."""

MARGIN = 1 / 8
"""Then so much of their spread is left free on either side, for what is brighter or darker than the texture."""

FLAT = 1e-3
"""An image that fills less than this share of the range says so."""


@dataclass(frozen=True)
class ValueRange:
    """The values that are black and white, and where they come from, in words."""

    low: float
    high: float
    says: str = ""


@dataclass(frozen=True)
class DrawnValues:
    """Some of the values of one image, as float64, and the range that its file states, if it does."""

    values: NDArray[np.float64]
    stated: tuple[float, float] | None


def is_open(samples: Samples) -> bool:
    """Whether the file leaves open what is black and white: integers of more than 8 bits, signed ones, floats."""
    return not samples.fixed and samples.dtype not in {"bool", "uint8"}


def draw_values(samples: Samples) -> DrawnValues:
    """Draw values of an image, of known pixels only; the same each time."""
    known = samples.values if samples.missing is None else samples.values[~samples.missing]
    flat = known.reshape(-1)
    if flat.size > DRAWN_VALUES:
        flat = flat[np.random.default_rng(0).integers(0, flat.size, DRAWN_VALUES)]
    return DrawnValues(flat.astype(np.float64), samples.stated)


def find_range(images: Sequence[DrawnValues]) -> ValueRange:
    """The range of a collection by a sample of its images, at least one.

    Where all files state one, it is theirs. Where values are whole numbers, it ends at the largest value of the fewest
    `USUAL_BITS` that hold them. Other values reach from 0, or the lowest of them, to the largest, or to 1 if that is
    less. Values that take only a small part of such a range are spread over it.
    """
    values = np.concatenate([image.values for image in images])
    stated = [image.stated for image in images if image.stated is not None]
    if len(stated) == len(images):
        low, high = min(low for low, _ in stated), max(high for _, high in stated)
        # Some programs write tags that have nothing to do with the values.
        if ((values >= low) & (values <= high)).mean() > 1 - MOST_BEYOND:
            return ValueRange(low, high, "as the files say")
    # Halved, since the difference of two finite numbers may be infinite.
    low, high = (2 * float(value) for value in np.quantile(values / 2, [OUTLIERS, 1 - OUTLIERS]))
    if not np.isfinite(high - low):
        low, high = low / 2, high / 2
    if low == high:
        low, high = float(values.min()), float(values.max())
    source = f"found from {len(images)} image{'s' if len(images) > 1 else ''}"
    spread = high - low
    if low >= 0 and bool((values == np.round(values)).all()):
        bits = next((bits for bits in USUAL_BITS if high < 2**bits), None)
        if bits is not None and spread >= LEAST_SHARE * 2**bits:
            return ValueRange(0.0, float(2**bits - 1), f"{bits} bits, {source}")
    if low >= 0 and spread >= LEAST_SHARE * high and high > 1:
        return ValueRange(0.0, high, source)
    if low >= 0 and high <= 1 and spread >= LEAST_SHARE:
        return ValueRange(0.0, 1.0, source)
    if spread == 0:
        return ValueRange(low - 0.5, low + 0.5, source)
    return ValueRange(low - MARGIN * spread, high + MARGIN * spread, source)


def scale_values(samples: Samples, limits: ValueRange) -> NDArray[np.float32]:
    """Bring values to [0, 1] by a range; those beyond it are 0 or 1."""
    values = samples.values
    if values.dtype.itemsize > 2 and values.dtype != np.float32:
        values = values.astype(np.float64)
    values = values.astype(np.result_type(values.dtype, np.float32))
    if limits.low:
        values -= values.dtype.type(limits.low)
    values /= values.dtype.type(limits.high - limits.low)
    return np.asarray(np.clip(values, 0, 1), np.float32)


def is_flat(scaled: NDArray[np.float32], missing: NDArray[np.bool_] | None) -> bool:
    """Whether an image in [0, 1] fills less than a thousandth of it."""
    known = scaled if missing is None else scaled[~missing]
    return bool(known.max() - known.min() < FLAT)
