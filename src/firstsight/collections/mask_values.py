"""What the values in masks mean: which of them are anomalous, found from the masks of a collection as a whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError

MOST_VALUES = 32
"""Masks of more different values than this hold soft edges or the noise of JPEG, unless they are numbers."""

NOISE = 0.1
"""The noise of JPEG stays within this share of the largest value, above black and below white."""

LARGEST_NUMBER = 127
"""Integers up to this are numbers of classes; masks of grey reach further up."""

_NOMINAL = (1, 255, 4095, 65535, 2**32 - 1)


@dataclass(frozen=True)
class MaskRule:
    """Which values of a mask are anomalous: those above a value, or those among some."""

    above: float | None = None
    among: tuple[float, ...] = ()

    def anomalous(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """True where a value is anomalous; of the shape of ``values``."""
        if self.above is not None:
            return np.asarray(values > self.above)
        # A float32 that was written as 0.1 is not the 0.1 of a config.
        among = np.asarray(self.among, values.dtype if values.dtype.kind == "f" else None)
        return np.isin(values, among)

    def __str__(self) -> str:
        """As it stands in the table `images`: ``> 0``, ``> 127.5`` or ``1, 3``."""
        return f"> {self.above:.15g}" if self.above is not None else ", ".join(f"{value:.15g}" for value in self.among)


def parse_rule(text: str) -> MaskRule:
    """The rule of a text that `MaskRule` made; a FirstsightError for any other."""
    try:
        if text.startswith(">"):
            return MaskRule(above=float(text[1:]))
        return MaskRule(among=tuple(float(value) for value in text.split(",")))
    except ValueError:
        raise FirstsightError(f"not a rule for the values of masks: {text[:40]!r}") from None


@dataclass(frozen=True)
class StoredValues:
    """The pixels of a mask as its file stores them, (H, W), and whether its format changes values (JPEG)."""

    pixels: NDArray[Any]
    lossy: bool


@dataclass(frozen=True)
class Convention:
    """The rule for the masks of a collection, and one line that says it."""

    rule: MaskRule
    says: str


def given_convention(positive: Sequence[float]) -> Convention:
    """The convention that a config gives: these values are anomalous."""
    values = tuple(sorted(positive))
    return Convention(MaskRule(among=values), f"masks: {_list(values)} {_is(values)} anomalous, as mask.positive says")


def find_convention(masks: Iterable[StoredValues]) -> Convention:
    """What the values of these masks mean, all taken together.

    Whatever is not 0 is anomalous where the masks hold few values or numbers (0 and 1, 0 and 255 in any type, numbers
    of classes). Of masks in grey, as JPEG and soft edges make them, the upper half of the range is anomalous, and so it
    is of masks that have no 0 but two values or more.
    """
    seen: set[float] = set()
    lossy, integers = False, True
    for mask in masks:
        seen.update(np.unique(mask.pixels).tolist())
        lossy |= mask.lossy
        integers &= mask.pixels.dtype.kind in "bui"
    values = sorted(seen)
    above_nought = [value for value in values if value > 0]
    if not above_nought:
        return Convention(MaskRule(above=0), "masks: nothing is marked in them")
    if lossy or _is_grey(values, integers=integers) or (0 not in seen and len(values) > 1):
        limit = _NOMINAL[1] / 2 if lossy else _middle(values[0], values[-1])
        says = f"masks: grey from {values[0]:g} to {values[-1]:g}, what is above {limit:g} is anomalous"
        return Convention(MaskRule(above=limit), says)
    return Convention(MaskRule(above=0), f"masks: {_meaning(above_nought, integers=integers)}")


def _middle(lowest: float, highest: float) -> float:
    """Half the range that grey masks have nominally, or half their own where all values are on one side of that."""
    half = _nominal(highest) / 2
    return half if lowest < half < highest else (lowest + highest) / 2


def _nominal(highest: float) -> float:
    """White in masks whose largest value is this."""
    return next((white for white in _NOMINAL if white >= highest), highest)


def _is_grey(values: Sequence[float], *, integers: bool) -> bool:
    """Whether values spread as soft edges or noise do, and not as numbers."""
    highest = values[-1]
    if integers and (highest <= LARGEST_NUMBER or (len(values) == highest + 1 and highest not in _NOMINAL)):
        return False
    above_nought = any(0 < value <= NOISE * highest for value in values)
    below_white = any((1 - NOISE) * highest <= value < _nominal(highest) for value in values)
    return len(values) > MOST_VALUES or (above_nought and below_white)


def _meaning(values: Sequence[float], *, integers: bool) -> str:
    if len(values) == 1:
        return f"0 and {values[0]:g}, {values[0]:g} is anomalous"
    if integers and values[-1] <= LARGEST_NUMBER:
        return f"class numbers {values[0]:g} to {values[-1]:g}, any is anomalous"
    return f"values {_list(values)}, any is anomalous"


def _list(values: Sequence[float], most: int = 8) -> str:
    shown = ", ".join(f"{value:g}" for value in values[:most])
    return shown if len(values) <= most else f"{shown} and {len(values) - most} more"


def _is(values: Sequence[float]) -> str:
    return "is" if len(values) == 1 else "are"
