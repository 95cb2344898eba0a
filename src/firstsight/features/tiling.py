"""Features in bounded memory: small images together, large ones tile by tile, equal to those of whole images."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from firstsight.features.extractor import Extractor

TILE_SIZE = 1024
"""Side, in pixels, of the square whose features are computed at once, without the margin that they depend on."""


def extract_tiled(extractor: Extractor, images: Tensor, *, pixels: int = TILE_SIZE**2) -> dict[str, Tensor]:
    """Features of images of one size, computed for about ``pixels`` pixels at once.

    Several small images are computed together, an image larger than a square of ``pixels`` tile by tile. Every tile
    has a margin as wide as the cells of the layers reach (`Layer.reach`), and the margin's cells are dropped: no cell
    that is kept has seen a tile's border, unless it is the image's border. Where cells depend on the whole image
    (``reach`` None), images are computed whole, and only their number is bounded.

    Args:
        extractor: from `load_extractor`.
        images: (B, 3, H, W), float32, RGB in [0, 1].
        pixels: in the images or the tile computed at once, without the tile's margin.

    Returns:
        For every layer (B, C, h, w) on the CPU, equal to ``extractor(images)`` up to rounding.

    Raises:
        FirstsightError: as the extractor raises.
    """
    together = max(1, pixels // (images.shape[2] * images.shape[3]))
    starts = range(0, len(images), together)
    parts = [_extract_together(extractor, images[start : start + together], math.isqrt(pixels)) for start in starts]
    return parts[0] if len(parts) == 1 else {layer: torch.cat([part[layer] for part in parts]) for layer in parts[0]}


def _extract_together(extractor: Extractor, images: Tensor, tile_size: int) -> dict[str, Tensor]:
    height, width = images.shape[2:]
    specs = extractor.spec.layers
    reaches = [specs[layer].reach for layer in extractor.layers]
    reach = max((reach for reach in reaches if reach is not None), default=0)
    if max(height, width) <= tile_size or None in reaches:
        return {layer: features.cpu() for layer, features in extractor(images).items()}
    step = math.lcm(extractor.spec.side_multiple, *extractor.strides.values())
    margin = -(-reach // step) * step
    core = max(1, tile_size // step) * step
    rows, columns = list(_tiles(height, core, margin)), list(_tiles(width, core, margin))
    whole: dict[str, Tensor] = {}
    for top, first_row, bottom, end_row in rows:
        for left, first_column, right, end_column in columns:
            tile = extractor(images[:, :, top:bottom, left:right].contiguous())
            for layer, features in tile.items():
                stride = extractor.strides[layer]
                cells = specs[layer].cells(height), specs[layer].cells(width)
                if layer not in whole:
                    whole[layer] = torch.empty((len(images), features.shape[1], *cells))
                stop_row = cells[0] if end_row >= height else end_row // stride
                stop_column = cells[1] if end_column >= width else end_column // stride
                part = whole[layer][:, :, first_row // stride : stop_row, first_column // stride : stop_column]
                skip_rows, skip_columns = (first_row - top) // stride, (first_column - left) // stride
                part.copy_(
                    features[:, :, skip_rows : skip_rows + part.shape[2], skip_columns : skip_columns + part.shape[3]]
                )
    return whole


def _tiles(size: int, core: int, margin: int) -> Iterator[tuple[int, int, int, int]]:
    """For every tile along one axis: start of the tile, start of its kept part, end of the tile, end of its kept part.

    All starts are multiples of all strides. A remainder no wider than the margin joins the tile before it.
    """
    starts = list(range(0, size, core))
    if len(starts) > 1 and size - starts[-1] <= margin:
        starts.pop()
    for start, end in zip(starts, [*starts[1:], size], strict=True):
        yield max(0, start - margin), start, min(size, end + margin), end
