"""Equations 2 and 3 of SSDnet, and several terms in one score, pixel by pixel."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def patches(size: tuple[int, int], patch_size: int) -> list[tuple[int, int]]:
    """Where the overlapping patches of an image start."""
    return [(y, x) for y in range(size[0] - patch_size + 1) for x in range(size[1] - patch_size + 1)]


def inner_product(
    features: NDArray[np.float64], output_features: NDArray[np.float64], size: tuple[int, int], stride: int | None
) -> NDArray[np.float64]:
    """(C, h, w) twice to (H, W): a pixel has the value of its block, or of the last whole one; or its cells' mean."""
    rows, columns = features.shape[1:]
    result = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            if stride is None:
                down, right = rows // size[0], columns // size[1]
                cells = (slice(None), slice(y * down, (y + 1) * down), slice(x * right, (x + 1) * right))
            else:
                row, column = min(y // stride, rows - 1), min(x // stride, columns - 1)
                cells = (slice(None), slice(row, row + 1), slice(column, column + 1))
            result[y, x] = np.mean(features[cells] * output_features[cells])
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


def mean_of_patches(term: NDArray[np.float64], known: NDArray[np.bool], patch_size: int) -> NDArray[np.float64]:
    """The mean of the patches that hold a pixel, each the mean of its known pixels; NaN where there is none."""
    total, count = np.zeros(term.shape), np.zeros(term.shape)
    for y, x in patches(term.shape, patch_size):
        part = (slice(y, y + patch_size), slice(x, x + patch_size))
        if known[part].any():
            total[part] += term[part][known[part]].mean()
            count[part] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def combined_scores(
    terms: Sequence[NDArray[np.float64]], known: NDArray[np.bool], *, patch_sizes: Sequence[int], aggregate: str
) -> NDArray[np.float64]:
    """The length of the vector of softened robust deviations of every pixel."""
    maps = []
    for patch_size in patch_sizes:
        score = np.zeros(terms[0].shape)
        for term in terms:
            mean = mean_of_patches(term, known, patch_size)
            values = np.sort(mean[~np.isnan(mean)])
            median = values[(len(values) - 1) // 2]
            distances = np.sort(np.abs(values - median))
            least = max(1e-6, 1e-3 * abs(median))
            deviation = 1.4826 * distances[(len(values) - 1) // 2]
            if deviation <= least:
                deviation = max(1.2533 * np.mean(distances), least)
            held = ~np.isnan(mean)
            score = score + np.where(
                held, np.logaddexp(0, (np.where(held, mean, median) - median) / deviation) ** 2, np.nan
            )
        maps.append(np.sqrt(np.where(np.isnan(score), np.nanmin(score), score)))
    return np.max(maps, axis=0) if aggregate == "max" else np.min(maps, axis=0)


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
            mean = mean_of_patches(term, known, patch_size)
            if min_max:
                mean = (mean - np.nanmin(mean)) / (np.nanmax(mean) - np.nanmin(mean))
            score = score + weight * mean
        maps.append(np.where(np.isnan(score), np.nanmin(score), score))
    return np.max(maps, axis=0) if aggregate == "max" else np.min(maps, axis=0)
