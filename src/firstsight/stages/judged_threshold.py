"""What verdicts make of a threshold, where they are asked to: the nearest at which the images judged are told apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.judged_limit import JudgedImages, best_limit
from firstsight.clustering.regions import highest_limit
from firstsight.collections.masks import read_ignored
from firstsight.storage.stored_maps import stored_maps
from firstsight.wording import plural


class Judged(NamedTuple):
    """A rate or a threshold after the verdicts, and what they did to it, in a sentence."""

    value: float
    says: str


def judged_rate(judged: JudgedImages, p_values: Mapping[str, float], rate: float) -> Judged:
    """The rate of false alarms that tells the judged images best apart; an image is called where its p-value is lower.

    Args:
        judged: the images; those without a p-value do not count.
        p_values: of images with a map, by image.
        rate: as the config asks for it, in (0, 1).
    """
    present = _present(judged, p_values)
    defect, normal = (-np.array([p_values[image] for image in names]) for names in present)
    return _judged(present, defect, normal, -rate, "rate of false alarms", percent=True)


def judged_threshold(judged: JudgedImages, shards: Sequence[Path], threshold: float) -> Judged:
    """The threshold of all cells that tells the judged images best apart; an image is called where it has a region.

    Args:
        judged: the images; those without a map do not count.
        shards: stores of the collection's maps.
        threshold: as it is without verdicts.
    """
    wanted = {*judged.defect, *judged.normal}
    limits = {}
    for stored in stored_maps(shards):
        if stored.image in wanted and stored.status == "ok":
            assert stored.geometry is not None
            limits[stored.image] = highest_limit(stored.cells(), stored.geometry, read_ignored(stored.ignored))
    present = _present(judged, limits)
    defect, normal = (np.array([limits[image] for image in names]) for names in present)
    return _judged(present, defect, normal, threshold, "threshold", percent=False)


def _present(judged: JudgedImages, known: Mapping[str, float]) -> JudgedImages:
    return JudgedImages(*(tuple(image for image in names if image in known) for names in judged))


def _judged(
    present: JudgedImages,
    defect: NDArray[np.float64],
    normal: NDArray[np.float64],
    limit: float,
    what: str,
    *,
    percent: bool,
) -> Judged:
    """The same for any limit above which images are called; a rate is a limit of p-values with their sign changed."""

    def shown(value: float) -> str:
        return f"{-100 * value:g} %" if percent else f"{value:.4g}"

    if present.lacking:
        return Judged(-limit if percent else limit, f"The verdicts do not change the {what}: {present.lacking}.")
    found = best_limit(defect, normal, limit)
    if found is None:
        why = "no other tells the images judged better apart than chance"
        return Judged(-limit if percent else limit, f"The verdicts do not change the {what}: {why}.")
    calls = (
        f"{int((defect > found).sum())} of {plural(len(defect), 'image')} judged to have a defect "
        f"and {int((normal > found).sum())} of {len(normal)} judged normal are called anomalous"
    )
    did = (
        f"leave the {what} at {shown(limit)}, which no other betters"
        if found == limit
        else f"set the {what} to {shown(found)} instead of {shown(limit)}"
    )
    return Judged(-found if percent else found, f"The verdicts {did}: {calls}.")
