"""How well anomaly maps localize: AUROC, average precision, F1 max and PRO over all pixels of a collection, exactly.

No metric here sorts, bins or even holds all pixels. Every metric depends on the normal pixels only through two counts
for every distinct score of an anomalous pixel: how many normal pixels lie above it and how many equal it. Anomalous
pixels are few, so their scores are held and sorted; then the maps are streamed once more and each image's normal pixels
are counted into the intervals between them. `localization_statistics` does both passes; the others are short sums.

    statistics = localization_statistics(masks, maps)
    pro_from_statistics(statistics, limit=0.3), auroc_from_statistics(statistics), statistics.n_regions

`masks` and `maps` are sequences of one (H, W) array an image: lists, (N, H, W) arrays, or any object with `__len__` and
`__getitem__` that reads from disk. Sizes may differ between images. At most two images are held at a time.

- A map is finite, of any real type; a higher value is more anomalous, and values compare across the collection.
- A mask is bool, or uint8 where values above 127 are anomalous (an image file, 0 and 255). A uint8 mask whose largest
  value is 1 is read as 0 and 1. This is decided for each mask by itself.

A metric that the pixels do not define (say, there is no anomalous pixel) is nan.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from firstsight.errors import FirstsightError

EIGHT_CONNECTED = np.ones((3, 3), dtype=bool)


class Arrays(Protocol):
    """A sequence of (H, W) arrays, possibly read on access."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class LocalizationStatistics:
    """All that the metrics need to know: one entry for each of M distinct scores of anomalous pixels, highest first.

    anomalous: (M,) int64, the anomalous pixels with this score.
    overlap: (M,) float64, the sum of 1 / (size of its region) over those pixels; sums to n_regions.
    normal_above: (M,) int64, the normal pixels with a higher score.
    normal_equal: (M,) int64, the normal pixels with the same score.
    n_normal: the normal pixels.
    n_regions: the 8-connected anomalous regions, after the crop.
    image_anomalous: (N,) bool, whether the image has an anomalous pixel.
    image_scores: (N,) float, the largest value of the map.
    """

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


def localization_statistics(
    masks: Arrays, maps: Arrays, *, crop: float = 0.0, defective_only: bool = False
) -> LocalizationStatistics:
    """Reads every image twice and counts what all metrics are made of.

    Memory is at most about 80 bytes for each anomalous pixel of the collection, plus two images.

    masks, maps: one (H, W) array an image each, as the module says.
    crop: the fraction of height and of width, in [0, 0.5), cut from each of the four sides of mask and map before
        anything else, to the nearest pixel; at least one pixel stays. For comparison with papers.
    defective_only: count no normal pixels of images without an anomalous pixel (after the crop), as some papers do;
        n_images and the image scores stay those of all images.

    Raises FirstsightError for empty sequences or different lengths, and, with the image's index, for a mask that is
    neither bool nor uint8, arrays that are not (H, W) or differ in shape, and values that are not finite.
    """
    if not 0 <= crop < 0.5:
        raise FirstsightError(f"crop must be in [0, 0.5), got {crop}")

    image_anomalous, image_scores = [], []
    scores, sizes = [], []
    n_normal = n_regions = 0
    for mask, values in _images(masks, maps, crop):
        image_anomalous.append(mask.any())
        image_scores.append(values.max())
        if image_anomalous[-1]:
            labels, count = ndimage.label(mask, EIGHT_CONNECTED)
            regions = labels[mask]
            n_regions += count
            scores.append(values[mask])
            sizes.append(np.bincount(regions)[regions].astype(np.int32))
        if image_anomalous[-1] or not defective_only:
            n_normal += mask.size - int(np.count_nonzero(mask))

    # The type of all maps, so that no score is rounded and the search below never converts its table.
    dtype = np.array(image_scores).dtype
    thresholds, anomalous, overlap = _distinct(
        np.concatenate([np.empty(0, dtype), *scores]), np.concatenate([np.empty(0, np.int32), *sizes])
    )
    del scores, sizes

    # Maps are finite: the last entry takes the normal pixels above every anomalous one, and nothing equals it.
    table = np.append(thresholds, dtype.type(np.inf))
    up_to = np.zeros(table.size, dtype=np.int64)
    equal = np.zeros(table.size, dtype=np.int64)
    for mask, values in _images(masks, maps, crop):
        if defective_only and not mask.any():
            continue
        distinct, repeats = np.unique(values[~mask].astype(dtype, copy=False), return_counts=True)
        places = np.searchsorted(table, distinct)
        np.add.at(up_to, places, repeats)
        ties = table[places] == distinct
        equal[places[ties]] += repeats[ties]

    return LocalizationStatistics(
        anomalous=anomalous[::-1],
        overlap=overlap[::-1],
        normal_above=np.cumsum(up_to[:0:-1]),
        normal_equal=equal[-2::-1],
        n_normal=n_normal,
        n_regions=n_regions,
        image_anomalous=np.array(image_anomalous),
        image_scores=np.array(image_scores),
    )


def auroc(masks: Arrays, maps: Arrays) -> float:
    """Area under the ROC curve over all pixels, in [0, 1]; nan where there is no anomalous or no normal pixel.

    The probability that an anomalous pixel scores higher than a normal one, equal scores counted half.
    Arguments and errors as in `localization_statistics`.
    """
    return auroc_from_statistics(localization_statistics(masks, maps))


def average_precision(masks: Arrays, maps: Arrays) -> float:
    """Average precision over all pixels, in [0, 1]; nan where there is no anomalous pixel.

    The sum over distinct scores, from the highest, of (R_n - R_(n-1)) P_n with recall R and precision P of the pixels
    at or above the score, without interpolation: what scikit-learn calls average precision.
    Arguments and errors as in `localization_statistics`.
    """
    return average_precision_from_statistics(localization_statistics(masks, maps))


def f1_max(masks: Arrays, maps: Arrays) -> float:
    """The best F1 of any threshold over all pixels, in [0, 1]; nan where there is no anomalous pixel.

    The threshold is one for the whole collection and is chosen with the masks.
    Arguments and errors as in `localization_statistics`.
    """
    return f1_max_from_statistics(localization_statistics(masks, maps))


def pro(masks: Arrays, maps: Arrays, limit: float = 0.3) -> float:
    """Per-region overlap up to a false-positive rate of `limit`, in [0, 1]; nan without anomalous or normal pixels.

    The mean, over all 8-connected anomalous regions of the collection, of the fraction of the region at or above a
    threshold, against the fraction of all normal pixels there; the area under this curve from 0 to `limit`, divided
    by `limit` (Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021, section 4.2.2). Points of
    neighbouring thresholds are joined by straight lines, also where `limit` cuts one.

    limit: in (0, 1]. Other arguments and errors as in `localization_statistics`.
    """
    return pro_from_statistics(localization_statistics(masks, maps), limit)


def image_auroc(masks: Arrays, maps: Arrays) -> float:
    """Area under the ROC curve over images, in [0, 1]; nan where not both kinds of image are there.

    An image is anomalous where its mask has an anomalous pixel; its score is the maximum of its map.
    Arguments and errors as in `localization_statistics`; every image is read once.
    """
    images = [(mask.any(), values.max()) for mask, values in _images(masks, maps, crop=0.0)]
    return image_auroc_from_scores([anomalous for anomalous, _ in images], [score for _, score in images])


def image_auroc_from_scores(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve over images that have labels and no masks, in [0, 1]; nan unless both labels occur.

    anomalous: (N,) bool, or 0 and 1. scores: (N,), finite, higher is more anomalous.
    """
    labels, values = np.asarray(anomalous), np.asarray(scores)
    if labels.ndim != 1 or labels.shape != values.shape or labels.size == 0:
        raise FirstsightError(
            f"labels and scores must be (N,) arrays of one length, got shapes {labels.shape} and {values.shape}"
        )
    if values.dtype.kind not in "fiub":
        raise FirstsightError(f"image scores must be real numbers, got {values.dtype}")
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        if label not in (0, 1):
            raise FirstsightError(f"image {index}: a label must be true or false (1 or 0), got {label!r}")
        if not np.isfinite(value):
            raise FirstsightError(f"image {index}: a score must be finite, got {value}")
    labels = labels.astype(bool)
    if labels.all() or not labels.any():
        return math.nan
    normal = np.sort(values[~labels])
    below = np.searchsorted(normal, values[labels], side="left")
    up_to = np.searchsorted(normal, values[labels], side="right")
    return float(np.mean(below + up_to) / (2 * normal.size))


def auroc_from_statistics(statistics: LocalizationStatistics) -> float:
    """`auroc` of images that are counted already."""
    if not statistics.n_anomalous or not statistics.n_normal:
        return math.nan
    normal_below = statistics.n_normal - statistics.normal_above - 0.5 * statistics.normal_equal
    return float(np.sum(statistics.anomalous * (normal_below / statistics.n_normal)) / statistics.n_anomalous)


def average_precision_from_statistics(statistics: LocalizationStatistics) -> float:
    """`average_precision` of images that are counted already."""
    if not statistics.n_anomalous:
        return math.nan
    # Recall grows only at scores of anomalous pixels: no other threshold has a term in the sum.
    found = np.cumsum(statistics.anomalous)
    precision = found / (found + statistics.normal_above + statistics.normal_equal)
    return float(np.sum(statistics.anomalous * precision) / statistics.n_anomalous)


def f1_max_from_statistics(statistics: LocalizationStatistics) -> float:
    """`f1_max` of images that are counted already."""
    if not statistics.n_anomalous:
        return math.nan
    # A threshold between two scores of anomalous pixels only adds false positives to the higher of them.
    found = np.cumsum(statistics.anomalous)
    marked = found + statistics.normal_above + statistics.normal_equal
    return float(np.max(2 * found / (statistics.n_anomalous + marked)))


def pro_from_statistics(statistics: LocalizationStatistics, limit: float = 0.3) -> float:
    """`pro` of images that are counted already.

    The curve rises only at the distinct scores of anomalous pixels. A rise from false-positive rate f to f + e (e > 0
    where normal pixels share the score) by overlap / K adds overlap / K times the area right of the rise: the mean of
    max(0, limit - x) over x in [f, f + e], which is limit - f - e / 2 as long as f + e <= limit.
    """
    if not 0 < limit <= 1:
        raise FirstsightError(f"the limit of the false-positive rate must be in (0, 1], got {limit}")
    if not statistics.n_regions or not statistics.n_normal:
        return math.nan
    width = statistics.normal_equal / statistics.n_normal
    rest = np.maximum(limit - statistics.normal_above / statistics.n_normal, 0.0)
    cut = width > rest
    area = rest - width / 2
    area[cut] = rest[cut] ** 2 / (2 * width[cut])
    return float(np.sum(statistics.overlap * area) / (statistics.n_regions * limit))


def image_auroc_from_statistics(statistics: LocalizationStatistics) -> float:
    """`image_auroc` of images that are counted already."""
    return image_auroc_from_scores(statistics.image_anomalous, statistics.image_scores)


def _distinct(
    scores: NDArray[np.floating], sizes: NDArray[np.int32]
) -> tuple[NDArray[np.floating], NDArray[np.int64], NDArray[np.float64]]:
    """(P,) scores and region sizes of pixels to (M,) distinct scores, rising, their pixels, and sums of 1 / size."""
    order = np.argsort(scores)
    scores = scores[order]
    sizes = sizes[order]
    del order
    first = np.ones(scores.size, dtype=bool)
    np.not_equal(scores[1:], scores[:-1], out=first[1:])
    starts = np.flatnonzero(first)
    return scores[starts], np.diff(starts, append=scores.size), np.add.reduceat(1.0 / sizes, starts)


def _images(masks: Arrays, maps: Arrays, crop: float) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.floating]]]:
    """Reads, checks and crops one image after the other: bool mask and float map, both (H, W)."""
    if len(masks) != len(maps) or len(maps) == 0:
        raise FirstsightError(f"there must be a mask for every map and at least one, got {len(masks)} and {len(maps)}")
    for index in range(len(maps)):
        mask, values = np.asarray(masks[index]), np.asarray(maps[index])
        if mask.shape != values.shape or mask.ndim != 2 or mask.size == 0:
            raise FirstsightError(
                f"image {index}: mask and map must be (H, W) of one size, got {mask.shape} and {values.shape}"
            )
        if mask.dtype not in (np.bool_, np.uint8):
            raise FirstsightError(f"image {index}: a mask must be bool or uint8, got {mask.dtype}")
        if values.dtype.kind not in "fiub":
            raise FirstsightError(f"image {index}: a map must hold real numbers, got {values.dtype}")
        finite = np.isfinite(values)
        if not finite.all():
            y, x = np.argwhere(~finite)[0]
            raise FirstsightError(
                f"image {index}: the map must be finite, got {values[y, x]} at row {y}, column {x}"
                f" ({finite.size - np.count_nonzero(finite)} such values)"
            )
        height, width = (min(round(crop * side), (side - 1) // 2) for side in mask.shape)
        inside = np.s_[height : mask.shape[0] - height, width : mask.shape[1] - width]
        precision = np.float32 if values.dtype in (np.float16, np.float32) else np.float64
        yield _anomalous_pixels(mask[inside]), values[inside].astype(precision, copy=False)


def _anomalous_pixels(mask: NDArray[np.bool_] | NDArray[np.uint8]) -> NDArray[np.bool_]:
    above = 0 if mask.dtype == np.bool_ or mask.max() <= 1 else 127
    return mask > above
