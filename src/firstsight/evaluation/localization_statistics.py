"""The counts behind the metrics of `firstsight.evaluation.localization`, exact, from two passes over the images.

Each pass turns some images into a statistic; the statistics of parts of a collection are merged into that of the whole.
Only sorted scores and whole numbers are merged, so the result is the same to the last bit however the collection is cut
into parts and in whichever order they are processed.

    first pass    anomalous_pixels(masks, maps) -> AnomalousPixels     merge_anomalous
    second pass   normal_pixels(masks, maps, distinct scores) -> (2, M + 1)     their sum
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple, TypeVar

import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from scipy import ndimage

from firstsight.detectors.image_score import image_score
from firstsight.errors import FirstsightError
from firstsight.evaluation.checked_images import Arrays, checked_images, counted

Measured = TypeVar("Measured")

EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


class Part(NamedTuple):
    """Some images of a collection.

    Attributes:
        n_images: at least one.
        open: returns their masks and maps. It is called in the task that reads them, so it should carry paths only.
    """

    n_images: int
    open: Callable[[], tuple[Arrays, Arrays]]


@dataclass(frozen=True, eq=False)
class LocalizationStatistics:
    """All that the metrics need: one entry for each of the M distinct scores of anomalous pixels, highest first.

    scores: (M,), of the type of the maps.
    anomalous: (M,) int64, anomalous pixels with this score.
    overlap: (M,) float64, the sum of 1 / (size of the pixel's region) over these pixels; adds up to n_regions.
    normal_above: (M,) int64, normal pixels with a higher score.
    normal_equal: (M,) int64, normal pixels with the same score.
    n_normal: number of normal pixels.
    n_regions: number of 8-connected anomalous regions, after the crop.
    image_anomalous: (N,) bool, whether the image has an anomalous pixel.
    image_scores: (N,) float64, `image_score` of the map.
    """

    scores: NDArray[np.floating]
    anomalous: NDArray[np.int64]
    overlap: NDArray[np.float64]
    normal_above: NDArray[np.int64]
    normal_equal: NDArray[np.int64]
    n_normal: int
    n_regions: int
    image_anomalous: NDArray[np.bool_]
    image_scores: NDArray[np.floating]

    @property
    def n_images(self) -> int:
        return len(self.image_scores)

    @property
    def n_anomalous(self) -> int:
        return int(self.anomalous.sum())


@dataclass(frozen=True, eq=False)
class AnomalousPixels:
    """The result of the first pass over N images: one entry for each of the K distinct pairs of score and region size.

    scores: (K,), ascending, of the type of the maps.
    sizes: (K,) int64, pixels of the region; ascending among equal scores.
    counts: (K,) int64, anomalous pixels with this score in regions of this size.
    n_normal, n_regions, image_anomalous, image_scores: as in `LocalizationStatistics`.
    """

    scores: NDArray[np.floating]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    n_normal: int
    n_regions: int
    image_anomalous: NDArray[np.bool_]
    image_scores: NDArray[np.floating]


def localization_statistics(
    masks: Arrays, maps: Arrays, *, crop: float = 0.0, defective_only: bool = False
) -> LocalizationStatistics:
    """Read every image twice and count all that the metrics need.

    Takes at most about 80 bytes of memory for every anomalous pixel of the collection, plus two images.

    masks, maps: one (H, W) array per image, as `firstsight.evaluation.localization` says.
    crop: the fraction of height and width, in [0, 0.5), cut off each of the four sides of mask and map before anything
        else, to the nearest pixel; at least one pixel stays. For comparison with papers.
    defective_only: do not count the normal pixels of images without an anomalous pixel (after the crop), as some papers
        do; n_images and the image scores still cover all images.

    Raises FirstsightError for empty sequences or different lengths, and, with the image's index, for a mask that is
    neither bool nor uint8, arrays that are not (H, W) or differ in shape, and values that are not finite.
    """
    anomalous = anomalous_pixels(masks, maps, crop=crop, defective_only=defective_only)
    scores = distinct_scores(anomalous)
    return joined_statistics(anomalous, normal_pixels(masks, maps, scores, crop=crop, defective_only=defective_only))


def localization_statistics_of(
    parts: Sequence[Part], *, crop: float = 0.0, defective_only: bool = False
) -> LocalizationStatistics:
    """`localization_statistics` of a collection in parts; each pass over a part is a dask task.

    The statistics of the parts are merged two by two, so that dask holds few of them at a time: one per thread, and one
    per level of the tree.

    Raises FirstsightError as `localization_statistics`, with the image's index in the whole collection.
    """
    if not parts:
        raise FirstsightError("there must be at least one image")
    firsts = accumulate((part.n_images for part in parts[:-1]), initial=0)
    arguments = [(part.open, first, crop, defective_only) for part, first in zip(parts, firsts, strict=True)]
    anomalous = merge_pairwise([delayed(_anomalous_pixels_of)(*of_part) for of_part in arguments], merge_anomalous)
    scores = delayed(distinct_scores)(anomalous)
    normal = merge_pairwise([delayed(_normal_pixels_of)(*of_part, scores) for of_part in arguments], sum)
    statistics: LocalizationStatistics
    (statistics,) = compute(delayed(joined_statistics)(anomalous, normal))  # type: ignore[no-untyped-call]
    return statistics


def measured_by_image(
    parts: Sequence[Part], measure: Callable[[LocalizationStatistics], Measured], *, crop: float = 0.0
) -> list[Measured]:
    """What ``measure`` makes of the statistics of every anomalous image by itself, in their order.

    A dask task reads each part. Images without an anomalous pixel (after the crop) are left out.

    Raises FirstsightError as `localization_statistics`, with the image's index in the whole collection.
    """
    firsts = accumulate((part.n_images for part in parts), initial=0)
    tasks = [
        delayed(_measured_images)(part.open, first, crop, measure) for part, first in zip(parts, firsts, strict=False)
    ]
    return [measured for of_part in compute(*tasks) for measured in of_part]  # type: ignore[no-untyped-call]


def anomalous_pixels(
    masks: Arrays, maps: Arrays, *, crop: float = 0.0, defective_only: bool = False, first: int = 0
) -> AnomalousPixels:
    """The first pass, over some images. Arguments and errors as in `localization_statistics` and `checked_images`."""
    image_anomalous, image_scores = [], []
    scores: list[NDArray[np.floating]] = []
    sizes: list[NDArray[np.int64]] = []
    n_normal = n_regions = 0
    # The maps' common type, so that no score is rounded.
    precision: np.dtype[Any] = np.dtype(np.float32)
    for mask, values in checked_images(masks, maps, crop, first):
        precision = np.promote_types(precision, values.dtype)
        image_anomalous.append(mask.any())
        image_scores.append(image_score(values))
        if image_anomalous[-1]:
            labels, count = ndimage.label(mask, EIGHT_CONNECTED)
            regions = labels[mask]
            n_regions += count
            scores.append(np.ma.getdata(values)[mask])
            sizes.append(np.bincount(regions)[regions])
        if image_anomalous[-1] or not defective_only:
            n_normal += int(np.count_nonzero(~mask & counted(values)))
    pixel_scores = np.concatenate([np.empty(0, precision), *scores])
    region_sizes = np.concatenate([np.empty(0, np.int64), *sizes])
    pairs = _distinct_pairs(pixel_scores, region_sizes, np.ones(len(pixel_scores), np.int64))
    return AnomalousPixels(*pairs, n_normal, n_regions, np.array(image_anomalous), np.array(image_scores))


def merge_anomalous(parts: Sequence[AnomalousPixels]) -> AnomalousPixels:
    """Merge the first pass over parts into that over all their images, in the order of the parts."""
    return AnomalousPixels(
        *_distinct_pairs(*(np.concatenate([getattr(part, name) for part in parts]) for name in _PAIRS)),
        n_normal=sum(part.n_normal for part in parts),
        n_regions=sum(part.n_regions for part in parts),
        image_anomalous=np.concatenate([part.image_anomalous for part in parts]),
        image_scores=np.concatenate([part.image_scores for part in parts]),
    )


def distinct_scores(anomalous: AnomalousPixels) -> NDArray[np.floating]:
    """The distinct scores (M,) of anomalous pixels, ascending."""
    return anomalous.scores[_starts(anomalous.scores)]


def normal_pixels(
    masks: Arrays,
    maps: Arrays,
    scores: NDArray[np.floating],
    *,
    crop: float = 0.0,
    defective_only: bool = False,
    first: int = 0,
) -> NDArray[np.int64]:
    """The second pass, over some images: count normal pixels by their position among the scores of anomalous pixels.

    scores: (M,) distinct, ascending, of the whole collection. Other arguments as in `anomalous_pixels`.

    Returns (2, M + 1). Row 0: pixels above the previous score (if any) and up to this one; the last entry counts those
    above every score. Row 1: pixels with exactly this score.
    """
    # Maps are finite, so no score equals or exceeds the last entry.
    table = np.append(scores, scores.dtype.type(np.inf))
    counts = np.zeros((2, table.size), dtype=np.int64)
    for mask, values in checked_images(masks, maps, crop, first):
        if defective_only and not mask.any():
            continue
        normal = np.ma.getdata(values)[~mask & counted(values)]
        distinct, repeats = np.unique(normal.astype(scores.dtype, copy=False), return_counts=True)
        places = np.searchsorted(table, distinct)
        np.add.at(counts[0], places, repeats)
        ties = table[places] == distinct
        counts[1, places[ties]] += repeats[ties]
    return counts


def joined_statistics(anomalous: AnomalousPixels, normal: NDArray[np.int64]) -> LocalizationStatistics:
    """Combine both passes over a whole collection."""
    starts = np.flatnonzero(_starts(anomalous.scores))
    return LocalizationStatistics(
        scores=anomalous.scores[starts][::-1],
        anomalous=np.add.reduceat(anomalous.counts, starts)[::-1],
        overlap=np.add.reduceat(anomalous.counts / anomalous.sizes, starts)[::-1],
        normal_above=np.cumsum(normal[0, :0:-1]),
        normal_equal=normal[1, -2::-1],
        n_normal=anomalous.n_normal,
        n_regions=anomalous.n_regions,
        image_anomalous=anomalous.image_anomalous,
        image_scores=anomalous.image_scores,
    )


_PAIRS = ("scores", "sizes", "counts")


def _anomalous_pixels_of(
    open_part: Callable[[], tuple[Arrays, Arrays]], first: int, crop: float, defective_only: bool
) -> AnomalousPixels:
    return anomalous_pixels(*open_part(), crop=crop, defective_only=defective_only, first=first)


def _normal_pixels_of(
    open_part: Callable[[], tuple[Arrays, Arrays]],
    first: int,
    crop: float,
    defective_only: bool,
    scores: NDArray[np.floating],
) -> NDArray[np.int64]:
    return normal_pixels(*open_part(), scores, crop=crop, defective_only=defective_only, first=first)


def _measured_images(
    open_part: Callable[[], tuple[Arrays, Arrays]],
    first: int,
    crop: float,
    measure: Callable[[LocalizationStatistics], Measured],
) -> list[Measured]:
    # Cropped here, and so not again below.
    images = checked_images(*open_part(), crop, first)
    return [measure(localization_statistics([mask], [values])) for mask, values in images if mask.any()]


def merge_pairwise(tasks: Sequence[Any], merge: Callable[[Sequence[Any]], Any]) -> Any:
    """The task that merges neighbouring results two by two until one is left."""
    while len(tasks) > 1:
        tasks = [delayed(merge)(list(tasks[start : start + 2])) for start in range(0, len(tasks), 2)]
    return tasks[0]


def _distinct_pairs(
    scores: NDArray[np.floating], sizes: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.floating], NDArray[np.int64], NDArray[np.int64]]:
    """Sort by score, then by size, and add up the counts of equal pairs."""
    order = np.lexsort((sizes, scores))
    scores, sizes, counts = scores[order], sizes[order], counts[order]
    first = _starts(scores)
    first[1:] |= sizes[1:] != sizes[:-1]
    starts = np.flatnonzero(first)
    return scores[starts], sizes[starts], np.add.reduceat(counts, starts)


def _starts(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each of the sorted values differs from the one before."""
    first = np.ones(values.size, dtype=bool)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first
