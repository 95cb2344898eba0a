"""Connected regions of an anomaly map above a threshold."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.morphology import area_opening

from firstsight.clustering.decision import Decision
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry, map_to_pixels

EIGHT_NEIGHBOURS = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True)
class Region:
    """One connected region; lengths in pixels of the map it was found in, scores in the map's own units.

    `x`, `y` is the top left pixel of the bounding box and `width`, `height` its extent: the region lies within columns
    x .. x + width - 1 and rows y .. y + height - 1. The centroid is the plain mean of the pixels' columns and rows.
    """

    region: int
    x: int
    y: int
    width: int
    height: int
    area: int
    score_max: float
    score_mean: float
    centroid_x: float
    centroid_y: float


def find_regions(
    anomaly_map: NDArray[np.floating],
    threshold: float,
    *,
    minimum_area: float = 1.0,
    peak: float | None = None,
    scores: NDArray[np.floating] | None = None,
) -> tuple[NDArray[np.int32], list[Region]]:
    """Find the 8-connected regions where an anomaly map is above a threshold.

    Args:
        anomaly_map: (H, W), finite scores; higher is more anomalous.
        threshold: a pixel belongs to a region if its score is greater than this. (Equal is not enough, so that a map
            without variation has no region at the threshold that `anomaly_threshold` gives it.)
        minimum_area: smallest area that counts, in pixels of this map. A detector resolves nothing smaller than a
            feature cell, so a map resized to its image needs the area of a cell (stride * stride): anything smaller
            comes from interpolation between cells. The default keeps everything, as is right for a map at feature
            resolution, where a pixel is a cell.
        peak: a region that is nowhere above this one, too, does not count.
        scores: (H, W), what ``score_max`` and ``score_mean`` are taken from, if not the map itself.

    Returns:
        labels: (H, W) int32, the number of the region, 0 outside regions.
        regions: numbered 1 .. n in raster order of each region's first pixel (topmost row, then leftmost in that row).

    Raises:
        FirstsightError: the map is not two-dimensional or holds a value that is not finite, the threshold is NaN, or
            the minimum area is negative or NaN.
    """
    anomaly_map = np.asarray(anomaly_map)
    if anomaly_map.ndim != 2:
        raise FirstsightError(f"an anomaly map has two dimensions (height, width), not shape {anomaly_map.shape}")
    if not np.isfinite(anomaly_map).all():
        raise FirstsightError("the anomaly map holds values that are not finite")
    if np.isnan(threshold):
        raise FirstsightError("the threshold of the regions is NaN")
    if not minimum_area >= 0:
        raise FirstsightError(f"the minimum area of a region must be 0 or more pixels, not {minimum_area}")

    # Labels come in raster order of first pixels, which dropping small regions does not disturb.
    labels, count = ndimage.label(anomaly_map > threshold, structure=EIGHT_NEIGHBOURS)
    area = np.bincount(labels.ravel(), minlength=count + 1)
    kept = area >= minimum_area
    if peak is not None:
        kept[1:] &= ndimage.maximum(anomaly_map, labels, np.arange(1, count + 1)) > peak
    kept[0] = False
    number = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    labels = number[labels]

    regions = []
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        inside = labels[box] == index
        rows, columns = np.nonzero(inside)
        own = (anomaly_map if scores is None else scores)[box][inside].astype(np.float64)
        top, left = box[0].start, box[1].start
        regions.append(
            Region(
                region=index,
                x=int(left),
                y=int(top),
                width=int(box[1].stop - left),
                height=int(box[0].stop - top),
                area=int(inside.sum()),
                score_max=float(own.max()),
                score_mean=float(own.mean()),
                centroid_x=float(left + columns.mean()),
                centroid_y=float(top + rows.mean()),
            )
        )
    return labels, regions


class ImageFindings(NamedTuple):
    """What is anomalous in an image.

    Attributes:
        p_value: the share of normal images that stand out as much; None if that is not known.
        threshold: where pixels of this image are above it, there is a region.
        anomaly_map: (H, W) float32, on the pixels of the image.
        labels, regions: as `find_regions` gives them; no region is smaller than a cell, unless there is no other.
    """

    p_value: float | None
    threshold: float
    anomaly_map: NDArray[np.float32]
    labels: NDArray[np.int32]
    regions: list[Region]


def find_image_regions(
    cells: NDArray[np.float32], geometry: Geometry, decision: Decision, ignored: NDArray[np.bool_] | None = None
) -> ImageFindings:
    """Lay an anomaly map on its image and find the regions there.

    Args:
        cells: (h, w) anomaly map.
        geometry: how the map lies on the image.
        decision: of the collection.
        ignored: (H, W), pixels that are in no region.
    """
    anomaly_map = map_to_pixels(cells, geometry)
    call = decision.call(cells)
    levelled = anomaly_map if call.levelled is cells else map_to_pixels(call.levelled, geometry)
    levelled = _counted_pixels(levelled, ignored)
    cell = _cell_area(geometry)
    labels, regions = find_regions(levelled, call.outline, minimum_area=cell, peak=call.threshold, scores=anomaly_map)
    if call.anomalous and not regions:
        # Between its neighbours, a single cell covers less than a cell, and its highest score is not reached.
        labels, regions = find_regions(levelled, call.outline, scores=anomaly_map)
    return ImageFindings(call.p_value, call.threshold, anomaly_map, labels, regions)


def highest_limit(cells: NDArray[np.float32], geometry: Geometry, ignored: NDArray[np.bool_] | None = None) -> float:
    """The score that a threshold of the collection must stay below for an image to have a region.

    The arguments are those of `find_image_regions`.
    """
    pixels = _counted_pixels(map_to_pixels(cells, geometry), ignored)
    # What an opening by area leaves is the highest score at which connected pixels still are a cell together.
    return float(area_opening(pixels, _cell_area(geometry), connectivity=2).max())


def _cell_area(geometry: Geometry) -> int:
    """The pixels of an image that a cell of its map covers."""
    enlarged = (geometry.height / geometry.input_height) * (geometry.width / geometry.input_width)
    return round(geometry.stride**2 * enlarged)


def _counted_pixels(pixels: NDArray[np.float32], ignored: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """The map (H, W) with the least of all scores where pixels are ignored."""
    return pixels if ignored is None else np.where(ignored, np.finfo(np.float32).min, pixels)


def covered_cells(labels: NDArray[np.int32], geometry: Geometry, shape: tuple[int, int]) -> list[NDArray[np.int64]]:
    """The cells of a feature map that each region covers; a pixel belongs to the cell with the nearest centre.

    Args:
        labels: (H, W) of `find_regions` on the pixels of the image, regions 1 .. n.
        geometry: how the feature map lies on the image.
        shape: (h, w) of the feature map.

    Returns:
        For each region, in order: the cells (m,), at least one, as indices into the flattened feature map.
    """
    rows = _nearest_cells(labels.shape[0], geometry.input_height, geometry, shape[0])
    columns = _nearest_cells(labels.shape[1], geometry.input_width, geometry, shape[1])
    y, x = np.nonzero(labels)
    cells = shape[0] * shape[1]
    pairs = np.unique(labels[y, x].astype(np.int64) * cells + rows[y] * shape[1] + columns[x])
    region, cell = np.divmod(pairs, cells)
    return np.split(cell, np.flatnonzero(np.diff(region)) + 1) if len(region) else []


def cells_around(labels: NDArray[np.int32], geometry: Geometry, shape: tuple[int, int]) -> list[NDArray[np.int64]]:
    """The cells of a feature map that are nearer to each region than to any other: what is around one scores high, too.

    The arguments are those of `covered_cells`.

    Returns:
        For each region, in order: the cells (m,), at least one, as ascending indices into the flattened feature map. A
        cell that several regions cover belongs to each of them; one as near to several belongs to any of these.
    """
    covered = covered_cells(labels, geometry, shape)
    if not covered:
        return []
    owner = np.zeros(shape, np.int64)
    for number, cells in enumerate(covered, start=1):
        owner.ravel()[cells] = number
    nearest = ndimage.distance_transform_edt(owner == 0, return_distances=False, return_indices=True)
    owner = owner[tuple(nearest)]
    return [np.union1d(np.flatnonzero(owner == number), cells) for number, cells in enumerate(covered, start=1)]


def _nearest_cells(size: int, input_size: int, geometry: Geometry, cells: int) -> NDArray[np.int64]:
    pixels = (np.arange(size) + 0.5) * (input_size / size) - 0.5
    return np.clip(np.rint((pixels - geometry.offset) / geometry.stride), 0, cells - 1).astype(np.int64)
