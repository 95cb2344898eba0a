"""Masks and anomaly maps, one image after the other, checked and cropped before anything is counted."""

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError


class Arrays(Protocol):
    """A sequence of (H, W) arrays, possibly read on access."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def checked_images(
    masks: Arrays, maps: Arrays, crop: float = 0.0, first: int = 0
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.floating]]]:
    """Read, check and crop one image after the other: bool mask and float map, both (H, W).

    A map that is a masked array leaves its masked pixels out: the map that is given is one, too, and its mask has none.

    Args:
        masks, maps, crop: as for `firstsight.evaluation.localization_statistics.localization_statistics`.
        first: the index of the first image, for error messages.

    Raises:
        FirstsightError: as there.
    """
    if len(masks) != len(maps) or len(maps) == 0:
        raise FirstsightError(f"there must be a mask for every map and at least one, got {len(masks)} and {len(maps)}")
    if not 0 <= crop < 0.5:
        raise FirstsightError(f"crop must be in [0, 0.5), got {crop}")
    for index in range(len(maps)):
        mask, values = np.asarray(masks[index]), np.asanyarray(maps[index])
        if mask.shape != values.shape or mask.ndim != 2 or mask.size == 0:
            raise FirstsightError(
                f"image {first + index}: mask and map must be (H, W) of one size, got {mask.shape} and {values.shape}"
            )
        if mask.dtype not in (np.bool_, np.uint8):
            raise FirstsightError(f"image {first + index}: a mask must be bool or uint8, got {mask.dtype}")
        if values.dtype.kind not in "fiub":
            raise FirstsightError(f"image {first + index}: a map must hold real numbers, got {values.dtype}")
        finite = np.isfinite(np.ma.getdata(values))
        if not finite.all():
            y, x = np.argwhere(~finite)[0]
            raise FirstsightError(
                f"image {first + index}: the map must be finite, got {values[y, x]} at row {y}, column {x}"
                f" ({finite.size - np.count_nonzero(finite)} such values)"
            )
        height, width = (min(round(crop * side), (side - 1) // 2) for side in mask.shape)
        inside = np.s_[height : mask.shape[0] - height, width : mask.shape[1] - width]
        precision = np.float32 if values.dtype in (np.float16, np.float32) else np.float64
        anomalous = _anomalous_pixels(mask[inside])
        if isinstance(values, np.ma.MaskedArray):
            anomalous &= ~np.ma.getmaskarray(values)[inside]
        yield anomalous, values[inside].astype(precision, copy=False)


def counted(values: NDArray[np.floating]) -> NDArray[np.bool_] | np.bool_:
    """Which pixels of a map are not left out."""
    return ~np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.True_


def _anomalous_pixels(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.bool_]:
    above = 0 if mask.dtype == np.bool_ or mask.max() <= 1 else 127
    return mask > above
