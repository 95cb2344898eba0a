"""Descriptors cell by cell, from their definition."""

import math

import numpy as np
from numpy.typing import NDArray


def slow_blur(features: NDArray) -> NDArray:
    """7 x 7 Gaussian, sigma 2, the border cell not repeated where the window is reflected."""
    channels, height, width = features.shape
    weights = np.array([[math.exp(-(dy**2 + dx**2) / 8) for dx in range(-3, 4)] for dy in range(-3, 4)])
    weights /= weights.sum()
    padded = np.pad(features.astype(np.float64), ((0, 0), (3, 3), (3, 3)), mode="reflect")
    blurred = np.zeros((channels, height, width))
    for channel in range(channels):
        for y in range(height):
            for x in range(width):
                blurred[channel, y, x] = (padded[channel, y : y + 7, x : x + 7] * weights).sum()
    return blurred


def slow_descriptor(features: NDArray, weights: NDArray, subtract_mean: bool) -> NDArray:
    blurred = slow_blur(features)
    channels, height, width = features.shape
    descriptor = np.zeros(channels)
    for channel in range(channels):
        weighted = [weights[y, x] * blurred[channel, y, x] for y in range(height) for x in range(width)]
        descriptor[channel] = sum(weighted) / weights.sum()
        if subtract_mean:
            descriptor[channel] -= blurred[channel].mean()
    return descriptor


def slow_normalise(descriptors: NDArray) -> NDArray:
    rows = [[0.0] * descriptors.shape[1] for _ in descriptors]
    for channel, column in enumerate(descriptors.T):
        mean = sum(column) / len(column)
        deviation = math.sqrt(sum((value - mean) ** 2 for value in column) / len(column))
        for row, value in zip(rows, column, strict=True):
            z = (value - mean) / deviation
            row[channel] = math.copysign(math.sqrt(abs(z)), z)
    return np.array([[value / math.sqrt(sum(v**2 for v in row)) for value in row] for row in rows])
