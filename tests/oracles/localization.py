"""Localization metrics the slow way: all pixels in one list, one threshold after the other, explicit curves."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Images = list[NDArray]


def regions_of(mask: NDArray) -> list[list[tuple[int, int]]]:
    """8-connected regions by flood fill: the pixels of each."""
    left = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}
    regions = []
    while left:
        region, border = [], [left.pop()]
        while border:
            y, x = border.pop()
            region.append((y, x))
            for neighbour in [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]:
                if neighbour in left:
                    left.remove(neighbour)
                    border.append(neighbour)
        regions.append(region)
    return regions


def sweep(masks: Images, maps: Images) -> list[tuple[int, int]]:
    """(true positives, false positives) at every distinct score of any pixel, from the highest."""
    truth = np.concatenate([mask.ravel() for mask in masks]).astype(bool)
    scores = np.concatenate([values.ravel() for values in maps]).astype(np.float64)
    marked = [scores >= threshold for threshold in sorted(set(scores.tolist()), reverse=True)]
    return [(int(np.sum(m & truth)), int(np.sum(m & ~truth))) for m in marked]


def area(curve: list[tuple[float, float]], limit: float = 1.0) -> float:
    """The trapezoids under a curve of rising x, cut at the limit by a straight line between two points."""
    total = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x1 <= limit:
            total += (x1 - x0) * (y0 + y1) / 2
        elif x0 < limit:
            y_limit = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            total += (limit - x0) * (y0 + y_limit) / 2
    return total


def auroc(masks: Images, maps: Images) -> float:
    points = sweep(masks, maps)
    positives, negatives = points[-1]
    return area([(0.0, 0.0)] + [(fp / negatives, tp / positives) for tp, fp in points])


def average_precision(masks: Images, maps: Images) -> float:
    points = sweep(masks, maps)
    total, recall = 0.0, 0.0
    for tp, fp in points:
        total += (tp / points[-1][0] - recall) * tp / (tp + fp)
        recall = tp / points[-1][0]
    return total


def f1_max(masks: Images, maps: Images) -> float:
    points = sweep(masks, maps)
    return max(2 * tp / (tp + fp + points[-1][0]) for tp, fp in points)


def pro(masks: Images, maps: Images, limit: float) -> float:
    thresholds = sorted({float(value) for values in maps for value in values.ravel()}, reverse=True)
    regions = [
        [float(values[y, x]) for y, x in region]
        for mask, values in zip(masks, maps, strict=True)
        for region in regions_of(mask)
    ]
    normal = [float(value) for mask, values in zip(masks, maps, strict=True) for value in values[~mask.astype(bool)]]
    curve = [(0.0, 0.0)]
    for threshold in thresholds:
        overlaps = [sum(score >= threshold for score in region) / len(region) for region in regions]
        rate = sum(score >= threshold for score in normal) / len(normal)
        curve.append((rate, sum(overlaps) / len(overlaps)))
    return area(curve, limit) / limit


def pairwise_auroc(anomalous: NDArray, scores: NDArray) -> float:
    """The fraction of (anomalous, normal) pairs in the right order, equal scores half."""
    wins = [
        (high > low) + 0.5 * (high == low)
        for high, is_high in zip(scores, anomalous, strict=True)
        for low, is_low in zip(scores, anomalous, strict=True)
        if is_high and not is_low
    ]
    return float(sum(wins) / len(wins))
