"""The contrastive loss pair by pair, the ranks of images one distance at a time, and the head cell by cell."""

import math

import numpy as np
from numpy.typing import NDArray


def slow_loss(cells: list[NDArray[np.float64]], margin: float) -> float:
    """The five kinds of cells of a step to its loss: mean over the pulled pairs plus mean over the pushed ones."""
    anchor_anomalous, anchor_normal, positive, other_normal, counterexample = cells
    pulled = [_squared(a, b) for a in anchor_anomalous for b in positive]
    pulled += [_squared(a, b) for a in anchor_normal for b in other_normal]
    pushed = [_squared(a, b) for a in anchor_anomalous for b in [*anchor_normal, *other_normal, *counterexample]]
    hinges = [max(0.0, margin - d) for d in pushed]
    return (sum(pulled) / len(pulled) if pulled else 0.0) + (sum(hinges) / len(hinges) if hinges else 0.0)


def slow_neighbours(descriptors: list[list[float]], positives: int) -> tuple[list[list[int]], list[list[int]]]:
    """The nearest images and the farther half of the others, of each image; of equally far ones the lower first."""
    nearest, farther = [], []
    for image, descriptor in enumerate(descriptors):
        others = [other for other in range(len(descriptors)) if other != image]
        others.sort(key=lambda other: (math.dist(descriptor, descriptors[other]), other))
        half = math.ceil(len(others) / 2)
        nearest.append(others[: min(positives, half)])
        farther.append(others[half:])
    return nearest, farther


def slow_head(state: dict[str, NDArray[np.float64]], features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features (C, h, w) through the head of a state of numpy arrays: (D, h, w)."""
    _, height, width = features.shape
    result = np.zeros((len(state["second.bias"]), height, width))
    for row in range(height):
        for column in range(width):
            cell = (features[:, row, column].astype(np.float64) - state["mean"]) / state["scale"]
            hidden = np.maximum(state["first.weight"] @ cell + state["first.bias"], 0)
            output = state["second.weight"] @ hidden + state["second.bias"]
            result[:, row, column] = output / math.sqrt(sum(output**2))
    return result


def _squared(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return sum((float(x) - float(y)) ** 2 for x, y in zip(a, b, strict=True))
