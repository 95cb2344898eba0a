"""Feature layers on their way into a detector, and the maps of several layers on their way out."""

from collections.abc import Mapping

import torch
from torch import Tensor

from firstsight.features.texture_scale import WINDOW
from firstsight.storage.geometry import Geometry

LEAST_SCORE = 0.01
"""Scores below this share of a map's median count as that share: a single zero must not decide a geometric mean."""
LEAST_DEVIATION = 0.02
"""A map of a constant image, or nearly so, is not taken to be more even than this."""


def scale_channels(features: Tensor) -> Tensor:
    """Scale every channel of one image to [0, 1] by its own minimum and maximum; a constant channel becomes 0.

    Args:
        features: (C, H, W), finite.

    Returns:
        (C, H, W) float32 in [0, 1].
    """
    features = features.float()
    low = features.amin(dim=(1, 2), keepdim=True)
    span = features.amax(dim=(1, 2), keepdim=True) - low
    return (features - low) / torch.where(span > 0, span, torch.ones_like(span))


def finest_layer(places: Mapping[str, Geometry]) -> str:
    """Name of the layer with the smallest stride (the first of equals), whose grid the fused map has."""
    return min(places, key=lambda layer: places[layer].stride)


def automatic_patch_size(place: Geometry) -> int:
    """Patch size T that reaches a third of the scale's window to each side of its centre cell, or as far as the map.

    Args:
        place: of the layer; without a ``window`` it has 40 pixels: T is 27 at stride 1, 7 at 4, 5 at 8, 3 from 16 on.

    Returns:
        T in cells, odd, at least 3.
    """
    reach = round((place.window or WINDOW) / 3 / place.stride)
    shorter_side = min(place.input_height, place.input_width) // place.stride
    return 2 * max(1, min(reach, int(shorter_side - 1) // 2)) + 1


def fuse_maps(maps: Mapping[str, Tensor], places: Mapping[str, Geometry]) -> Tensor:
    """Weighted geometric mean of the anomaly maps of several layers, on the grid of the finest.

    Where the texture is as it should be, a layer that suits it scores evenly, so each map weighs as much as the squared
    ratio of its median to its deviation (the median absolute deviation): the inverse variance of its scores in units of
    their median. A cell is high in the mean where the layers agree.

    Args:
        maps: (h_l, w_l) of each layer, finite, not negative.
        places: how each layer lies on the image.

    Returns:
        (h, w) of the finest layer, within the range of the maps; coarser maps are read bilinearly where its cells lie.
        Where a map is zero at half of its cells or more there is no such ratio, and the maps are averaged.
    """
    if len(maps) == 1:
        return next(iter(maps.values()))
    finest = finest_layer({layer: places[layer] for layer in maps})
    shape = (maps[finest].shape[0], maps[finest].shape[1])
    aligned = {
        layer: anomaly_map if layer == finest else read_at(anomaly_map, shape, places[finest], places[layer])
        for layer, anomaly_map in maps.items()
    }
    medians = {layer: anomaly_map.median() for layer, anomaly_map in aligned.items()}
    if min(medians.values()) <= 0:
        return torch.stack(list(aligned.values())).mean(dim=0)
    weights = {layer: _evenness(aligned[layer], median) ** 2 for layer, median in medians.items()}
    logarithms = [
        weights[layer] * anomaly_map.clamp(min=float(LEAST_SCORE * medians[layer])).log()
        for layer, anomaly_map in aligned.items()
    ]
    return (torch.stack(logarithms).sum(dim=0) / sum(weights.values())).exp()


def _evenness(anomaly_map: Tensor, median: Tensor) -> Tensor:
    """The ratio of the median to the deviation, at most 1 / `LEAST_DEVIATION`."""
    deviation = (anomaly_map - median).abs().median() / median
    return 1 / deviation.clamp(min=LEAST_DEVIATION)


def read_at(anomaly_map: Tensor, shape: tuple[int, int], fine: Geometry, coarse: Geometry) -> Tensor:
    """Maps of a coarse grid, read bilinearly where the cells of a fine grid lie; constant beyond the outer cells.

    Args:
        anomaly_map: (..., h, w) on the coarse grid.
        shape: height and width of the fine grid, in cells.
        fine, coarse: how the two grids lie on the same image.

    Returns:
        (..., *shape), within the range of the map.
    """
    rows = _read_along(anomaly_map, shape[0], fine, coarse)
    return _read_along(rows.mT, shape[1], fine, coarse).mT


def join_layers(features: Mapping[str, Tensor], places: Mapping[str, Geometry]) -> Tensor:
    """The channels of all layers, one after the other, on the grid of the finest.

    Args:
        features: (C_l, h_l, w_l) of each layer.
        places: how each layer lies on the image.

    Returns:
        (sum of C_l, h, w) float32; coarser layers are read bilinearly where the finest's cells lie.
    """
    finest = finest_layer({layer: places[layer] for layer in features})
    height, width = features[finest].shape[1:]
    return torch.cat(
        [
            values.float()
            if layer == finest
            else read_at(values.float(), (height, width), places[finest], places[layer])
            for layer, values in features.items()
        ]
    )


def _read_along(values: Tensor, size: int, fine: Geometry, coarse: Geometry) -> Tensor:
    """Rows of coarse maps (..., rows, columns), read where the rows of a fine grid of this size lie."""
    cells = torch.arange(size, device=values.device, dtype=torch.float64)
    count = values.shape[-2]
    positions = ((fine.offset + fine.stride * cells - coarse.offset) / coarse.stride).clamp(0, count - 1)
    below = positions.long().clamp(max=max(count - 2, 0))
    above = (below + 1).clamp(max=count - 1)
    share = (positions - below).float()[:, None]
    return values[..., below, :] * (1 - share) + values[..., above, :] * share
