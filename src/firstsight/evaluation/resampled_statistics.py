"""The counts behind localization metrics for resampled images: a third pass over the images, in bins of scores.

Each image is reduced to its pixels by bin. What a set of resampled images counts is the sum over its images, so that
all sets come from one product of matrices, and no pixel is kept. A bin is a run of neighbouring scores of anomalous
pixels, within which scores count as equal. There are at most `BINS`; where there are no more distinct scores than that,
each has a bin of its own, and nothing is rounded.

Only whole numbers are added (shares of regions in units of 2^-30), so the result is the same to the last bit however a
collection is cut into parts.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from scipy import ndimage

from firstsight.evaluation.checked_images import Arrays, checked_images, counted
from firstsight.evaluation.localization_statistics import EIGHT_CONNECTED, LocalizationStatistics, Part, merge_pairwise

BINS = 500
"""A bin holds about one in 500 of the anomalous pixels and of the regions at most. Scores that count as equal move an
AUROC by half the pairs of pixels within one bin: by 0.002 at most, and by far less where normal pixels lie lower than
anomalous ones. Average precision and PRO change by as much as their curves do within a bin, times its width (less
than 0.001 on real collections)."""

_UNITS = 2.0**30
_IMAGES_AT_A_TIME = 64


class Bins(NamedTuple):
    """B bins of scores, ascending: the lowest and the highest score of anomalous pixels in each, (B,)."""

    low: NDArray[np.floating]
    high: NDArray[np.floating]


def score_bins(statistics: LocalizationStatistics, most: int = BINS) -> Bins:
    """Cut the scores of anomalous pixels into bins of about equal shares of pixels and of regions.

    Args:
        statistics: of all images; at least one has an anomalous pixel.
        most: bins at most.
    """
    scores = statistics.scores[::-1]
    if len(scores) <= most:
        return Bins(scores, scores)
    share = statistics.anomalous / statistics.n_anomalous + statistics.overlap / statistics.n_regions
    below = np.cumsum(share[::-1]) - share[::-1]
    number = np.minimum((below / 2 * most).astype(np.int64), most - 1)
    starts = np.flatnonzero(np.diff(number, prepend=-1))
    return Bins(scores[starts], scores[np.append(starts[1:], len(scores)) - 1])


def resampled_images(anomalous: NDArray[np.bool_], resamples: int, seed: int) -> NDArray[np.uint8]:
    """How often each image is in each set of resampled images.

    Anomalous and normal images are resampled apart, each as many as there are, so that both always occur.

    Args:
        anomalous: (N,) of the images.
        resamples: R, number of sets.
        seed: of the draws.

    Returns:
        (R, N) counts.
    """
    generator = np.random.default_rng(seed)
    times = np.zeros((resamples, len(anomalous)), np.uint8)
    for places in (np.flatnonzero(anomalous), np.flatnonzero(~anomalous)):
        for row in times if len(places) else ():
            row[places] = np.bincount(generator.integers(len(places), size=len(places)), minlength=len(places))
    return times


def resampled_counts(
    masks: Arrays, maps: Arrays, bins: Bins, times: NDArray[np.uint8], *, crop: float = 0.0, first: int = 0
) -> NDArray[np.float64]:
    """The third pass, over some images.

    Args:
        masks, maps, crop, first: as in `firstsight.evaluation.localization_statistics.anomalous_pixels`.
        bins: of the whole collection.
        times: (R, n) how often each of these images is in each set.

    Returns:
        (R, 4 B + 2) whole numbers, whose sums over parts `resampled_statistics` reads.
    """
    counts = np.zeros((len(times), 4 * len(bins.high) + 2))
    rows: list[NDArray[np.float64]] = []
    done = 0
    for mask, values in checked_images(masks, maps, crop, first):
        rows.append(_counts_of(mask, values, bins))
        if len(rows) == _IMAGES_AT_A_TIME or done + len(rows) == len(maps):
            counts += times[:, done : done + len(rows)].astype(np.float64) @ np.array(rows)
            done += len(rows)
            rows = []
    return counts


def resampled_counts_of(
    parts: Sequence[Part], bins: Bins, times: NDArray[np.uint8], *, crop: float = 0.0
) -> NDArray[np.float64]:
    """`resampled_counts` of a collection in parts, each a dask task."""
    ends = list(accumulate(part.n_images for part in parts))
    tasks = [
        delayed(_counts_of_part)(part.open, bins, times[:, end - part.n_images : end], crop, end - part.n_images)
        for part, end in zip(parts, ends, strict=True)
    ]
    counts: NDArray[np.float64]
    (counts,) = compute(merge_pairwise(tasks, sum))  # type: ignore[no-untyped-call]
    return counts


def resampled_statistics(counts: NDArray[np.float64]) -> LocalizationStatistics:
    """The statistics of one set of resampled images, without scores and without images.

    Args:
        counts: (4 B + 2,), a row of the counts of all images.
    """
    n_bins = (len(counts) - 2) // 4
    anomalous, overlap, up_to, equal, regions = np.split(counts, np.cumsum([n_bins, n_bins, n_bins + 1, n_bins]))
    # As in any statistics, only scores that anomalous pixels have.
    occurs = anomalous[::-1] > 0
    return LocalizationStatistics(
        scores=np.empty(0),
        anomalous=anomalous[::-1][occurs].astype(np.int64),
        overlap=overlap[::-1][occurs] / _UNITS,
        normal_above=np.cumsum(up_to[:0:-1])[occurs].astype(np.int64),
        normal_equal=equal[::-1][occurs].astype(np.int64),
        n_normal=int(up_to.sum()),
        n_regions=int(regions[0]),
        image_anomalous=np.empty(0, bool),
        image_scores=np.empty(0),
    )


def _counts_of_part(
    open_part: Callable[[], tuple[Arrays, Arrays]], bins: Bins, times: NDArray[np.uint8], crop: float, first: int
) -> NDArray[np.float64]:
    return resampled_counts(*open_part(), bins, times, crop=crop, first=first)


def _counts_of(mask: NDArray[np.bool_], values: NDArray[np.floating], bins: Bins) -> NDArray[np.float64]:
    """What one image counts: anomalous pixels, shares of regions and normal pixels by bin, and its regions."""
    n_bins = len(bins.high)
    labels, n_regions = ndimage.label(mask, EIGHT_CONNECTED)
    regions = labels[mask]
    scores = np.ma.getdata(values).astype(bins.high.dtype, copy=False)
    place = np.searchsorted(bins.high, scores[mask])
    overlap = np.bincount(place, 1 / np.bincount(regions)[regions], n_bins)
    normal = scores[~mask & counted(values)]
    up_to = np.searchsorted(bins.high, normal)
    inside = up_to[normal >= np.append(bins.low, np.inf)[up_to]]
    return np.concatenate(
        [
            np.bincount(place, minlength=n_bins),
            np.rint(overlap * _UNITS),
            np.bincount(up_to, minlength=n_bins + 1),
            np.bincount(inside, minlength=n_bins),
            [n_regions],
        ]
    )
