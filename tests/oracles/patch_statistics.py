"""Patch statistics written window by window and cell by cell, in float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def gaussian(size: int, sigma: float) -> NDArray[np.float64]:
    """(size, size), sums to 1."""
    offsets = range(-(size // 2), size // 2 + 1)
    weights = np.array([[np.exp(-(i**2 + j**2) / (2 * sigma**2)) for j in offsets] for i in offsets])
    return weights / weights.sum()


def windows(features: NDArray[Any], patch_size: int) -> dict[tuple[int, int], NDArray[np.float64]]:
    """{(y, x): (C, T, T)}: the window round every cell, reflected at the border."""
    half = patch_size // 2
    padded = np.pad(np.asarray(features, np.float64), ((0, 0), (half, half), (half, half)), mode="reflect")
    _, height, width = features.shape
    return {(y, x): padded[:, y : y + patch_size, x : x + patch_size] for y in range(height) for x in range(width)}


def whole_windows(features: NDArray[np.float32], patch_size: int, stride: int = 1) -> NDArray[np.float64]:
    """(N, C, T * T): the windows that lie inside the map, sorted."""
    channels, height, width = features.shape
    corners = [
        (y, x) for y in range(0, height - patch_size + 1, stride) for x in range(0, width - patch_size + 1, stride)
    ]
    cells = [features[:, y : y + patch_size, x : x + patch_size].reshape(channels, -1) for y, x in corners]
    return np.sort(np.array(cells, np.float64), axis=2)


def median_reference(features: NDArray[np.float32], patch_size: int) -> NDArray[np.float64]:
    tiles = np.sort(whole_windows(features, patch_size, stride=patch_size), axis=0)
    return tiles[(len(tiles) - 1) // 2]


def matching_errors(window: NDArray[np.float64], reference: NDArray[Any]) -> NDArray[np.float64]:
    """(T, T): mean over channels of |cell - reference[rank of the cell]|; equal cells share the mean of their ranks."""
    errors = np.zeros(window[0].size)
    for values, ordered in zip(window.reshape(len(window), -1), reference, strict=True):
        for i, value in enumerate(values):
            smaller, equal = (values < value).sum(), (values == value).sum()
            errors[i] += np.abs(value - ordered[smaller : smaller + equal]).mean()
    return (errors / len(window)).reshape(window.shape[1:])


def smooth(errors: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    padded = np.pad(errors, 2, mode="reflect")
    kernel = gaussian(5, sigma)
    smoothed = np.zeros_like(errors)
    for i, j in np.ndindex(errors.shape):
        smoothed[i, j] = (kernel * padded[i : i + 5, j : j + 5]).sum()
    return smoothed


def fca(
    features: NDArray[np.float32],
    reference: NDArray[Any],
    *,
    patch_size: int,
    sigma_p: float = 3.0,
    sigma_s: float = 1.0,
    border: str = "renormalise",
) -> NDArray[np.float64]:
    """The map of one reference window (C, T * T)."""
    _, height, width = features.shape
    weights = gaussian(patch_size, sigma_p)
    total, coverage = np.zeros((height, width)), np.zeros((height, width))
    for (y, x), window in windows(features, patch_size).items():
        errors = matching_errors(window, reference)
        if sigma_s:
            errors = smooth(errors, sigma_s)
        for i, j in np.ndindex(patch_size, patch_size):
            row, column = y + i - patch_size // 2, x + j - patch_size // 2
            if 0 <= row < height and 0 <= column < width:
                total[row, column] += errors[i, j] * weights[i, j]
                coverage[row, column] += weights[i, j]
    return total / coverage if border == "renormalise" else total


def sample_weighted_wasserstein(
    features: NDArray[np.float32], reference: NDArray[Any], *, patch_size: int, sigma_w: float = 6.0
) -> NDArray[np.float64]:
    """The map of one reference window (C, T * T)."""
    result = np.zeros(features.shape[1:])
    for centre, window in windows(features, patch_size).items():
        result[centre] = (matching_errors(window, reference) * gaussian(patch_size, sigma_w)).sum()
    return result


def nearest(maps: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """At every cell the mean of the `count` smallest of the maps."""
    return np.sort(maps, axis=0)[:count].mean(axis=0)


def histogram(
    features: NDArray[np.float32], *, patch_size: int, sigma: float = 6.0, bins: int = 10
) -> NDArray[np.float64]:
    channels = len(features)
    bin_of = np.zeros(features.shape, int)
    for channel, values in enumerate(features):
        span = values.max() - values.min()
        if span > 0:
            bin_of[channel] = np.floor((values - values.min()) / span * (0.999 * bins))
    weights = gaussian(patch_size, sigma)
    histograms = np.zeros((*features.shape[1:], channels, bins))
    for centre, window in windows(bin_of, patch_size).items():
        for channel in range(channels):
            for number in range(bins):
                histograms[(*centre, channel, number)] = weights[window[channel] == number].sum()
    cumulative = np.cumsum(histograms, axis=3)
    return np.abs(cumulative - cumulative.mean(axis=(0, 1))).mean(axis=(2, 3))


def moments(
    features: NDArray[np.float32], *, patch_size: int, sigma: float = 6.0, powers: int = 4
) -> NDArray[np.float64]:
    weights = gaussian(patch_size, sigma)
    found = np.zeros((*features.shape[1:], len(features), powers))
    for centre, window in windows(features, patch_size).items():
        for power in range(1, powers + 1):
            found[centre][:, power - 1] = (window**power * weights).sum(axis=(1, 2))
    return ((found - found.mean(axis=(0, 1))) ** 2).mean(axis=(2, 3))
