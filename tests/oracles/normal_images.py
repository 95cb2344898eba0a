"""Slow and obvious: PaDiM and PatchCore cell by cell, and stores of features to learn from."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from firstsight.storage.store import ShardWriter

Layers = dict[str, NDArray[np.float64]]


def write_store(path: Path, images: dict[str, Layers], strides: dict[str, int]) -> Path:
    """A store of features as the stage features leaves it; an image without layers is one that cannot be used."""
    finest = min(strides, key=lambda layer: strides[layer])
    with ShardWriter(path, dtype="float32") as writer:
        for index, (image, layers) in enumerate(images.items()):
            attributes: dict[str, object] = {"image": image, "token": image, "status": "ok" if layers else "no image"}
            if layers:
                height, width = (strides[finest] * side for side in layers[finest].shape[1:])
                size = {"height": height, "width": width, "input_height": height, "input_width": width}
                attributes["geometry"] = {
                    layer: {**size, "stride": stride, "offset": 0.0} for layer, stride in strides.items()
                }
            writer.add(f"{index:05d}", image, layers, attributes)
    return path


def joined(layers: Layers, strides: dict[str, int]) -> NDArray[np.float64]:
    """(C, h, w): every layer read at the cells of the finest, one cell after the other."""
    finest = min(strides, key=lambda layer: strides[layer])
    height, width = layers[finest].shape[1:]
    found = np.zeros((sum(len(values) for values in layers.values()), height, width))
    for row in range(height):
        for column in range(width):
            parts = []
            for layer, values in layers.items():
                ratio = strides[finest] / strides[layer]
                parts.append(_read(values, row * ratio, column * ratio))
            found[:, row, column] = np.concatenate(parts)
    return found


def _read(values: NDArray[np.float64], row: float, column: float) -> NDArray[np.float64]:
    row, column = min(row, values.shape[1] - 1), min(column, values.shape[2] - 1)
    top, left = int(row), int(column)
    bottom, right = min(top + 1, values.shape[1] - 1), min(left + 1, values.shape[2] - 1)
    down, along = row - top, column - left
    upper = values[:, top, left] * (1 - along) + values[:, top, right] * along
    lower = values[:, bottom, left] * (1 - along) + values[:, bottom, right] * along
    return upper * (1 - down) + lower * down


def padim_map(
    known: list[NDArray[np.float64]], searched: NDArray[np.float64], *, shared: bool, regularisation: float
) -> NDArray[np.float64]:
    """Mahalanobis distances (h, w) of one image (D, h, w) from the Gaussians of the known ones."""
    _, height, width = searched.shape
    found = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            if shared:
                cells = np.concatenate([image.reshape(len(image), -1).T for image in known])
            else:
                cells = np.stack([image[:, row, column] for image in known])
            mean = cells.mean(axis=0)
            covariance = (cells - mean).T @ (cells - mean) / max(len(cells) - 1, 1)
            covariance += regularisation * np.eye(len(mean))
            offset = searched[:, row, column] - mean
            found[row, column] = np.sqrt(offset @ np.linalg.inv(covariance) @ offset)
    return found


def mean_of_neighbours(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Every cell of (C, h, w) the mean over its 3 x 3 neighbours that are on the image."""
    _, height, width = values.shape
    found = np.zeros_like(values)
    for row in range(height):
        for column in range(width):
            window = values[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
            found[:, row, column] = window.mean(axis=(1, 2))
    return found


def greedy_centres(cells: NDArray[np.float64], first: int, count: int) -> list[int]:
    """Indices of cells (n, C), each the farthest from all before it."""
    chosen = [first]
    while len(chosen) < count:
        nearest = [min(float(np.linalg.norm(cell - cells[index])) for index in chosen) for cell in cells]
        if max(nearest) == 0:
            break
        chosen.append(int(np.argmax(nearest)))
    return chosen
