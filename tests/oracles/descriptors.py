"""Descriptors cell by cell, from their definition."""

import math

import numpy as np
from numpy.typing import NDArray


def slow_blur(features: NDArray, sigma: float, radius: int) -> NDArray:
    """Gaussian of 2 radius + 1 cells, the border cell not repeated where the window is reflected."""
    channels, height, width = features.shape
    offsets = range(-radius, radius + 1)
    weights = np.array([[math.exp(-(dy**2 + dx**2) / (2 * sigma**2)) for dx in offsets] for dy in offsets])
    weights /= weights.sum()
    padded = np.pad(features.astype(np.float64), ((0, 0), (radius, radius), (radius, radius)), mode="reflect")
    blurred = np.zeros((channels, height, width))
    size = 2 * radius + 1
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                blurred[channel, y, x] = (padded[channel, y : y + size, x : x + size] * weights).sum()
    return blurred


def slow_describe(features: NDArray, scores: NDArray, temperatures: list[float]) -> NDArray:
    """Weighted means, (W, C), one cell after the other."""
    descriptor = np.zeros((len(temperatures), len(features)))
    for row, temperature in enumerate(temperatures):
        weights = [math.exp(score / temperature) for score in scores]
        for channel, values in enumerate(features):
            total = sum(weight * value for weight, value in zip(weights, values, strict=True))
            descriptor[row, channel] = total / sum(weights)
    return descriptor


def slow_root(descriptors: NDArray) -> NDArray:
    """Signed square roots of standardised values, (N, W, C)."""
    rooted = np.zeros(descriptors.shape)
    for row in range(descriptors.shape[1]):
        for channel in range(descriptors.shape[2]):
            column = descriptors[:, row, channel]
            mean = sum(column) / len(column)
            deviation = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
            for image, value in enumerate(column):
                z = (value - mean) / deviation
                rooted[image, row, channel] = math.copysign(math.sqrt(abs(z)), z)
    return rooted


def slow_normalise(descriptors: NDArray) -> NDArray:
    """Each weighting of length 1, side by side, (N, W * C)."""
    joined = []
    for blocks in slow_root(descriptors):
        row: list[float] = []
        for block in blocks:
            length = math.sqrt(sum(value**2 for value in block))
            row += [value / length / math.sqrt(len(blocks)) for value in block]
        joined.append(row)
    return np.array(joined)
