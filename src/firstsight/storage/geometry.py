"""Where the cells of a feature map lie on their image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d


@dataclass(frozen=True)
class Geometry:
    """How a map (h, w) lies on its image.

    Attributes:
        height, width: the image's own size, pixels.
        input_height, input_width: the image's size as the extractor saw it, pixels.
        stride: distance between neighbouring cells, pixels of the input.
        offset: centre of cell 0, pixels of the input (the centre of the first pixel is 0).
        window: side of the windows in which the texture is judged, pixels of the input; None: it was not looked for.
    """

    height: int
    width: int
    input_height: int
    input_width: int
    stride: float
    offset: float
    window: float | None = None


def map_to_pixels(anomaly_map: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    """Resample an anomaly map to its image: bilinear between cell centres, constant beyond the outermost ones.

    Args:
        anomaly_map: (h, w).
        geometry: how it lies on the image.

    Returns:
        (height, width) float32, within the range of the map.
    """
    rows = _cell_positions(geometry.height, geometry.input_height, geometry, anomaly_map.shape[0])
    columns = _cell_positions(geometry.width, geometry.input_width, geometry, anomaly_map.shape[1])
    return _interpolate(_interpolate(anomaly_map.astype(np.float32), rows).T, columns).T


def map_to_cells(
    anomaly_map: NDArray[np.float32], geometry: Geometry, cells: Geometry, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Read an anomaly map where the cells of another map of the same image lie, as `map_to_pixels` reads it.

    Where these are farther apart than its own, it is blurred first, by a Gaussian of sigma (ratio - 1) / 2, so that no
    cell of it is passed over.

    Args:
        anomaly_map: (h, w).
        geometry: how it lies on the image.
        cells: how the other map lies on it.
        shape: of the other map.

    Returns:
        float32 of this shape, within the range of the map.
    """
    values = anomaly_map.astype(np.float32)
    for input_size, of_cells, count in (
        (geometry.input_height, cells.input_height, shape[0]),
        (geometry.input_width, cells.input_width, shape[1]),
    ):
        # Both count pixels of what the extractor saw, which need not be of one size.
        enlarged = input_size / of_cells
        wider = cells.stride * enlarged / geometry.stride
        if wider > 1:
            values = gaussian_filter1d(values, (wider - 1) / 2, axis=0, mode="nearest")
        pixels = (cells.offset + cells.stride * np.arange(count) + 0.5) * enlarged - 0.5
        positions = np.clip((pixels - geometry.offset) / geometry.stride, 0, len(values) - 1)
        values = _interpolate(values, positions).T
    return values


def _cell_positions(size: int, input_size: int, geometry: Geometry, cells: int) -> NDArray[np.float64]:
    pixels = (np.arange(size) + 0.5) * (input_size / size) - 0.5
    return np.clip((pixels - geometry.offset) / geometry.stride, 0, cells - 1)


def _interpolate(values: NDArray[np.float32], positions: NDArray[np.float64]) -> NDArray[np.float32]:
    below = np.minimum(positions.astype(np.int64), max(len(values) - 2, 0))
    above = np.minimum(below + 1, len(values) - 1)
    weight = (positions - below).astype(np.float32)[:, None]
    return values[below] * (1 - weight) + values[above] * weight
