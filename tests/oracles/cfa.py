"""Slow and obvious: the loss and the score of CFA, one cell and one centre at a time."""

import math

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.float64]


def squares(cell: NDArray[np.float64], centres: Cells) -> list[float]:
    return sorted(sum((a - b) ** 2 for a, b in zip(cell, centre, strict=True)) for centre in centres)


def loss(cells: Cells, centres: Cells, radius: float) -> float:
    attraction, repulsion = [], []
    for cell in cells:
        found = squares(cell, centres)
        attraction += [max(0.0, square - radius**2) for square in found[:3]]
        repulsion += [max(0.0, radius**2 - square - 0.1) for square in found[3:6]]
    return (sum(attraction) / len(attraction) + (sum(repulsion) / len(repulsion) if repulsion else 0.0)) / 1e-3


def score(cells: Cells, centres: Cells) -> list[float]:
    found = []
    for cell in cells:
        distances = [math.sqrt(square) for square in squares(cell, centres)[:3]]
        weight = math.exp(-distances[0]) / sum(math.exp(-distance) for distance in distances)
        found.append(weight * distances[0])
    return found
