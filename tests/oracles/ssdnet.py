"""Equations 2 and 3 of SSDnet and the autocorrelation of an image, pixel by pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def patches(size: tuple[int, int], patch_size: int) -> list[tuple[int, int]]:
    """Where the overlapping patches of an image start."""
    return [(y, x) for y in range(size[0] - patch_size + 1) for x in range(size[1] - patch_size + 1)]


def inner_product(
    features: NDArray[np.float64], output_features: NDArray[np.float64], stride: int, size: tuple[int, int]
) -> NDArray[np.float64]:
    """(C, h, w) twice to (H, W): a pixel has the value of its block, or of the last whole one."""
    rows, columns = features.shape[1:]
    result = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            cell = (slice(None), min(y // stride, rows - 1), min(x // stride, columns - 1))
            result[y, x] = np.mean(features[cell] * output_features[cell])
    return result


def training_loss(
    error: NDArray[np.float64],
    similarity: NDArray[np.float64],
    known: NDArray[np.bool],
    *,
    w_rec: float,
    w_perc: float,
    patch_sizes: Sequence[int],
    aggregate: str,
) -> float:
    """Equation 2 for maps (B, H, W)."""
    losses = []
    for patch_size in patch_sizes:
        means = []
        for image in range(len(known)):
            for y, x in patches(known.shape[1:], patch_size):
                part = (image, slice(y, y + patch_size), slice(x, x + patch_size))
                inside = known[part]
                if inside.any():
                    means.append(np.mean((w_rec * error[part] - w_perc * similarity[part])[inside]))
        losses.append(np.mean(means) if means else 0.0)
    return max(losses) if aggregate == "max" else min(losses)


def anomaly_scores(
    error: NDArray[np.float64],
    similarity: NDArray[np.float64],
    known: NDArray[np.bool],
    *,
    alpha_perc: float,
    patch_sizes: Sequence[int],
    aggregate: str,
    min_max: bool,
) -> NDArray[np.float64]:
    """Equation 3 for maps (H, W), each pixel divided by the number of its patches; missing pixels left out."""
    maps = []
    for patch_size in patch_sizes:
        score = np.zeros(error.shape)
        for term, weight in ((error, 1 - alpha_perc), (similarity, -alpha_perc)):
            total, count = np.zeros(error.shape), np.zeros(error.shape)
            for y, x in patches(error.shape, patch_size):
                part = (slice(y, y + patch_size), slice(x, x + patch_size))
                if known[part].any():
                    total[part] += term[part][known[part]].mean()
                    count[part] += 1
            mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            if min_max:
                mean = (mean - np.nanmin(mean)) / (np.nanmax(mean) - np.nanmin(mean))
            score = score + weight * mean
        maps.append(np.where(np.isnan(score), np.nanmin(score), score))
    return np.max(maps, axis=0) if aggregate == "max" else np.min(maps, axis=0)


def autocorrelation(values: NDArray[np.float64], known: NDArray[np.bool]) -> NDArray[np.float64]:
    """For every shift of up to a quarter of the sides: the mean product of known pixels with that shift."""
    height, width = values.shape
    rows, columns = height // 4, width // 4
    result = np.zeros((2 * rows + 1, 2 * columns + 1))
    for down in range(-rows, rows + 1):
        for right in range(-columns, columns + 1):
            products = [
                values[y, x] * values[y + down, x + right]
                for y in range(height)
                for x in range(width)
                if 0 <= y + down < height and 0 <= x + right < width and known[y, x] and known[y + down, x + right]
            ]
            result[down + rows, right + columns] = np.mean(products) if products else 0.0
    return result / result[rows, columns]
