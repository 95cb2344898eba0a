"""The masks of an image, read as the convention of its collection says, and joined to one."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.collections.images import read_mask, read_mask_values
from firstsight.collections.mask_values import Convention, MaskRule, StoredValues, find_convention, parse_rule
from firstsight.errors import FirstsightError

SEPARATOR = "\n"
"""Between the masks of one image in the column ``mask`` of the table `images`."""


def read_masks(paths: Sequence[Path], rule: MaskRule | None = None) -> NDArray[np.bool_]:
    """Read the masks of one image, as `read_mask`: (H, W) bool, True where one of them is; they must be of one size."""
    union = read_mask(paths[0], rule)
    for path in paths[1:]:
        mask = read_mask(path, rule)
        if mask.shape != union.shape:
            sizes = [f"{width} x {height}" for height, width in (union.shape, mask.shape)]
            raise FirstsightError(f"its masks differ in size: {sizes[0]} and {sizes[1]}")
        union |= mask
    return union


def common_convention(paths: Sequence[Path]) -> Convention:
    """What the values of these masks mean, taken together; those that cannot be read do not count."""

    def readable() -> Iterator[StoredValues]:
        for path in paths:
            with suppress(FirstsightError):
                yield read_mask_values(path)

    return find_convention(readable())


def inspect_masks(
    paths: Sequence[Path], height: int, width: int, rule: MaskRule | None = None
) -> tuple[str, float | None]:
    """Whether the masks of an image of this size (pixels) fit it and can be read, and how much of it they mark.

    Returns:
        "ok", or why not; and the share of anomalous pixels, None if that is unknown. Never raises for a file.
    """
    try:
        mask = read_masks(paths, rule)
    except FirstsightError as error:
        return f"mask cannot be read: {error}", None
    if mask.shape != (height, width):
        return f"mask is {mask.shape[1]} x {mask.shape[0]}, image is {width} x {height}", None
    return "ok", float(mask.mean())


def join_masks(paths: Sequence[str]) -> str | None:
    """The masks of one image as the table `images` has them; None for no mask."""
    return SEPARATOR.join(paths) or None


def split_masks(text: str) -> list[Path]:
    """The masks that `join_masks` joined."""
    return [Path(path) for path in text.split(SEPARATOR)]


def read_row_masks(row: Mapping[Any, Any]) -> NDArray[np.bool_] | None:
    """The mask (H, W) of a row of the table `images` of an image that is ok; None if it has none."""
    if pandas.isna(row["mask"]) or row["status"] != "ok":
        return None
    return read_masks(split_masks(row["mask"]), parse_rule(row["mask_values"]))


def read_ignored(mask: str | None) -> NDArray[np.bool_] | None:
    """The ignored pixels (H, W) of an image by its mask, as the stores of features and maps name it; None for none."""
    return None if mask is None else read_mask(Path(mask))
