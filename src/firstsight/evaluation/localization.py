"""How well anomaly maps localize: exact AUROC, average precision, F1 max and PRO over all pixels of a collection.

No metric here sorts, bins or even holds all pixels. Every metric depends on the normal pixels only through two counts
for every distinct score of an anomalous pixel: how many normal pixels lie above it and how many equal it. Anomalous
pixels are few, so their scores are held and sorted; then the maps are streamed once more, and the normal pixels of
every image are counted into the intervals between these scores. `localization_statistics` does both passes; the metrics
are short sums of its result. `localization_statistics_of` does the passes in dask tasks, one per part of a collection.

    statistics = localization_statistics(masks, maps)
    pro_from_statistics(statistics, limit=0.3), auroc_from_statistics(statistics), statistics.n_regions

`masks` and `maps` are sequences with one (H, W) array per image: lists, (N, H, W) arrays, or any object with `__len__`
and `__getitem__` that reads from disk. Sizes may differ between images. Memory holds at most two images at a time.

- A map is finite, of any real type; a higher value is more anomalous, and values compare across the collection.
- A mask is bool, or uint8 where values above 127 are anomalous (an image file, 0 and 255). A uint8 mask whose largest
  value is 1 is read as 0 and 1. This is decided for every mask separately.

A metric that is undefined (say, without anomalous pixels) is nan.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from firstsight.detectors.image_score import image_score
from firstsight.errors import FirstsightError
from firstsight.evaluation.checked_images import Arrays, checked_images
from firstsight.evaluation.localization_statistics import (
    LocalizationStatistics,
    Part,
    localization_statistics,
    measured_by_image,
)


def auroc(masks: Arrays, maps: Arrays) -> float:
    """Area under the ROC curve over all pixels, in [0, 1]; nan without anomalous or normal pixels.

    The probability that an anomalous pixel scores higher than a normal one; equal scores count half.
    Arguments and errors as in `localization_statistics`.
    """
    return auroc_from_statistics(localization_statistics(masks, maps))


def average_precision(masks: Arrays, maps: Arrays) -> float:
    """Average precision over all pixels, in [0, 1]; nan without anomalous pixels.

    The sum of (R_n - R_(n-1)) P_n over distinct scores, from the highest down, where R and P are recall and precision
    of the pixels at or above the score, without interpolation; as in scikit-learn.
    Arguments and errors as in `localization_statistics`.
    """
    return average_precision_from_statistics(localization_statistics(masks, maps))


def f1_max(masks: Arrays, maps: Arrays) -> float:
    """The best F1 of any threshold over all pixels, in [0, 1]; nan without anomalous pixels.

    One threshold for the whole collection, chosen with the masks.
    Arguments and errors as in `localization_statistics`.
    """
    return f1_max_from_statistics(localization_statistics(masks, maps))


def pro(masks: Arrays, maps: Arrays, limit: float = 0.3) -> float:
    """Per-region overlap up to a false-positive rate of `limit`, in [0, 1]; nan without anomalous or normal pixels.

    The curve plots, for every threshold, the fraction of a region at or above it, averaged over all 8-connected
    anomalous regions of the collection, against the fraction of all normal pixels there. PRO is the area under this
    curve from 0 to `limit`, divided by `limit` (Bergmann et al., The MVTec Anomaly Detection Dataset, IJCV 2021,
    section 4.2.2). Points of neighbouring thresholds are joined by straight lines, also where `limit` cuts one.

    limit: in (0, 1]. Other arguments and errors as in `localization_statistics`.
    """
    return pro_from_statistics(localization_statistics(masks, maps), limit)


def image_auroc(masks: Arrays, maps: Arrays) -> float:
    """Area under the ROC curve over images, in [0, 1]; nan without anomalous or normal images.

    An image is anomalous if its mask has an anomalous pixel; its score is `image_score` of its map.
    Arguments and errors as in `localization_statistics`; every image is read once.
    """
    images = [(mask.any(), image_score(values)) for mask, values in checked_images(masks, maps)]
    return image_auroc_from_scores([anomalous for anomalous, _ in images], [score for _, score in images])


def image_auroc_from_scores(anomalous: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve over images with labels instead of masks, in [0, 1]; nan unless both labels occur.

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
    """`auroc` from the statistics of the images."""
    if not statistics.n_anomalous or not statistics.n_normal:
        return math.nan
    normal_below = statistics.n_normal - statistics.normal_above - 0.5 * statistics.normal_equal
    return float(np.sum(statistics.anomalous * (normal_below / statistics.n_normal)) / statistics.n_anomalous)


def average_precision_from_statistics(statistics: LocalizationStatistics) -> float:
    """`average_precision` from the statistics of the images."""
    if not statistics.n_anomalous:
        return math.nan
    # Recall rises only at scores of anomalous pixels: no other threshold contributes to the sum.
    true_positives = np.cumsum(statistics.anomalous)
    precision = true_positives / (true_positives + statistics.normal_above + statistics.normal_equal)
    return float(np.sum(statistics.anomalous * precision) / statistics.n_anomalous)


def f1_max_from_statistics(statistics: LocalizationStatistics) -> float:
    """`f1_max` from the statistics of the images."""
    if not statistics.n_anomalous:
        return math.nan
    # A threshold between two scores of anomalous pixels only adds false positives to the higher of them.
    true_positives = np.cumsum(statistics.anomalous)
    predicted = true_positives + statistics.normal_above + statistics.normal_equal
    return float(np.max(2 * true_positives / (statistics.n_anomalous + predicted)))


def pro_from_statistics(statistics: LocalizationStatistics, limit: float = 0.3) -> float:
    """`pro` from the statistics of the images.

    The curve rises only at the distinct scores of anomalous pixels. A rise by overlap / K between false-positive rates
    f and f + e (e > 0 if normal pixels share the score) adds overlap / K times the width to the right of the rise: the
    mean of max(0, limit - x) over x in [f, f + e], which is limit - f - e / 2 as long as f + e <= limit.
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


def means_by_image(parts: Sequence[Part], crop: float = 0.0) -> dict[str, float]:
    """``auroc_by_image`` and ``average_precision_by_image``: means over images of `auroc` and `average_precision`.

    Each image's pixels are compared among themselves, so that a mean may be far above the metric of all pixels
    together. Images without an anomalous pixel do not count; one without a normal pixel has no `auroc`.

    Args:
        parts: of the collection.
        crop: as in `localization_statistics`.

    Returns:
        Values in [0, 1]; nan without an image that counts.
    """
    measured = np.array(measured_by_image(parts, _of_one_image, crop=crop)).reshape(-1, 2)
    return {
        "auroc_by_image": _mean(measured[:, 0]),
        "average_precision_by_image": _mean(measured[:, 1]),
    }


def _of_one_image(statistics: LocalizationStatistics) -> tuple[float, float]:
    return auroc_from_statistics(statistics), average_precision_from_statistics(statistics)


def _mean(values: NDArray[np.float64]) -> float:
    # Exact, so that neither the order of the images nor the cut into parts shows.
    defined = values[np.isfinite(values)].tolist()
    return math.fsum(defined) / len(defined) if defined else math.nan


def image_auroc_from_statistics(statistics: LocalizationStatistics) -> float:
    """`image_auroc` from the statistics of the images."""
    return image_auroc_from_scores(statistics.image_anomalous, statistics.image_scores)
