"""PRO written down in several ways, to see what the choices are worth; all are given every pixel of a collection.

Arguments are ``masks`` (N, H, W) bool and ``maps`` (N, H, W), higher where more anomalous; PRO is in [0, 1].
"""

import numpy as np
import torch
from anomalib.metrics.aupro import _AUPRO
from numpy.typing import NDArray
from scipy import ndimage

LIMIT = 0.3
EIGHT, FOUR = np.ones((3, 3), int), ndimage.generate_binary_structure(2, 1)


def defined(
    masks: NDArray[np.bool_], maps: NDArray[np.floating], *, connected: NDArray = EIGHT, split_ties: bool = False
) -> float:
    """PRO as Bergmann et al. (The MVTec Anomaly Detection Dataset, IJCV 2021, section 4.2.2) define it.

    All pixels are sorted, and the curve has a point for each distinct score: the share of the normal pixels at or above
    it, and the mean over regions of the share of their pixels there. Between points it is a straight line, also where
    the limit cuts it.

    Args:
        connected: neighbours that belong to one region; those of the definition are all eight.
        split_ties: put a point after each pixel instead, equal scores in the order of the pixels.
    """
    regions = _regions(masks, connected)
    sizes = np.bincount(regions.ravel())
    gained = np.where(regions > 0, 1 / sizes[regions], 0).ravel()
    order = np.argsort(-maps.ravel().astype(np.float64), kind="stable")
    scores = maps.ravel()[order]
    last = np.append(scores[1:] != scores[:-1], True) | split_ties
    rate = np.cumsum(regions.ravel()[order] == 0)[last] / np.count_nonzero(regions == 0)
    overlap = np.cumsum(gained[order])[last] / regions.max()
    return _area(np.append(0, rate), np.append(0, overlap))


def with_thresholds(masks: NDArray[np.bool_], maps: NDArray[np.floating], count: int = 200) -> float:
    """PRO from so many evenly spaced thresholds between the lowest and the highest score, as some repositories do."""
    regions = _regions(masks, EIGHT)
    inside = [maps[regions == region] for region in range(1, regions.max() + 1)]
    normal = np.sort(maps[regions == 0])
    thresholds = np.linspace(maps.max(), maps.min(), count)
    rate = 1 - np.searchsorted(normal, thresholds) / len(normal)
    overlap = np.mean([(scores[:, None] >= thresholds).mean(axis=0) for scores in inside], axis=0)
    return _area(np.append(0, rate), np.append(0, overlap))


def by_anomalib(masks: NDArray[np.bool_], maps: NDArray[np.floating]) -> float:
    """anomalib's AUPRO."""
    metric = _AUPRO(fpr_limit=LIMIT)
    metric.update(torch.from_numpy(maps), torch.from_numpy(masks.astype(np.float32)))
    return float(metric.compute())


def _regions(masks: NDArray[np.bool_], connected: NDArray) -> NDArray[np.intp]:
    """(N, H, W): 0 for normal pixels, and the number of its region for each anomalous one."""
    # Regions of two images never touch.
    return ndimage.label(masks, np.pad(connected[None], ((1, 1), (0, 0), (0, 0))))[0]


def _area(rate: NDArray[np.float64], overlap: NDArray[np.float64]) -> float:
    inside = rate < LIMIT
    return float(
        np.trapezoid(np.append(overlap[inside], np.interp(LIMIT, rate, overlap)), np.append(rate[inside], LIMIT))
        / LIMIT
    )
