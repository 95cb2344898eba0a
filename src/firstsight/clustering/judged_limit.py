"""The limit at which the images that a person judged are best told apart."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.verdicts import DEFECT, NORMAL, Verdict

_DIGITS = range(2, 18)


class JudgedImages(NamedTuple):
    """Images by what a person said of them, in the order of their names."""

    defect: tuple[str, ...]
    normal: tuple[str, ...]

    @property
    def lacking(self) -> str:
        """Why nothing can be told apart, to be read after a colon; empty where both sorts are there."""
        if not (self.defect or self.normal):
            return "none of the images is judged"
        if not self.defect:
            return "no image is judged to have a defect"
        return "" if self.normal else "no image is judged normal"


def judged_images(verdicts: Sequence[Verdict]) -> JudgedImages:
    """The images with a defect, in all or in a region, and those that were judged normal as a whole.

    Args:
        verdicts: those on one detector in one collection.
    """
    defect = {each.image for each in verdicts if each.verdict == DEFECT}
    normal = {each.image for each in verdicts if each.verdict == NORMAL and each.box is None} - defect
    return JudgedImages(tuple(sorted(defect)), tuple(sorted(normal)))


def best_limit(defect: NDArray[np.floating], normal: NDArray[np.floating], current: float) -> float | None:
    """The limit that tells judged images best apart; of several the one nearest to the current one.

    The share of images with a defect that are above it and the share of normal images that are not add up to the most
    (Youden, "Index for Rating Diagnostic Tests", Cancer 1950). Nothing is moved further than the verdicts ask: the
    current limit is kept where none is better, and a new one has as few digits, from two on, as its place allows.

    Args:
        defect: (n,), normal: (m,), finite; higher is more anomalous.
        current: the limit as it is.

    Returns:
        The limit; None where no limit tells them apart better than chance, or one of both sorts is missing.
    """
    values = np.unique(np.concatenate([defect, normal]).astype(np.float64))
    # In whole numbers, so that equals are equal.
    above = (np.asarray(defect)[:, None] > values).sum(axis=0)
    not_above = (np.asarray(normal)[:, None] <= values).sum(axis=0)
    quality = above * len(normal) + not_above * len(defect)
    if len(defect) == 0 or len(normal) == 0 or quality.max() <= len(defect) * len(normal):
        return None
    # The last value has no image above it, which is no better than chance.
    best = np.flatnonzero(quality == quality.max())
    limits = [_nearest_within(values[place], values[place + 1], current) for place in best]
    return min(limits, key=lambda limit: abs(limit - current))


def _nearest_within(low: float, high: float, current: float) -> float:
    """The number nearest to ``current`` with ``low`` <= number < ``high``, but for its rounding."""
    if low <= current < high:
        return current
    upwards = current < low
    end = low if upwards else high
    for digits in _DIGITS if end else ():
        decimals = digits - 1 - math.floor(math.log10(abs(end)))
        steps = math.ceil(end * 10.0**decimals) - (0 if upwards else 1)
        rounded = float(f"{steps}e{-decimals}")
        if low <= rounded < high:
            return rounded
    return float(low) if upwards else float(np.nextafter(high, -np.inf))
