"""Where defects lie: the regions of all images of a collection, summed over the frame."""

import matplotlib
import numpy
import pandas
from numpy.typing import NDArray
from PIL import Image

LONGEST = 96
"""Cells along the longer side of the frame."""

_LARGEST_ASPECT = 4.0
_ENLARGED = 4
_LEAST_ALPHA = 0.15


def region_density(regions: pandas.DataFrame, images: pandas.DataFrame) -> NDArray[numpy.float64]:
    """How many images have a region at each place of the frame.

    A region counts by its box, by the share of the box that it fills. Images of several sizes are laid over one another
    by their frames.

    Args:
        regions: rows of the table `regions`: image, x, y, width, height and area, in pixels.
        images: image, width and height of those images, among others.

    Returns:
        (h, w), 96 cells along the longer side of the middle image, the shorter side at least 24.
    """
    size = images.set_index("image")[["width", "height"]].astype(float)
    aspect = float((size["width"] / size["height"]).median()) if len(size) else 1.0
    aspect = min(max(aspect, 1 / _LARGEST_ASPECT), _LARGEST_ASPECT)
    height, width = (round(LONGEST * min(1.0, 1 / aspect)), round(LONGEST * min(1.0, aspect)))
    own = size.loc[regions["image"]]
    fill = (regions["area"] / (regions["width"] * regions["height"])).to_numpy(float)
    down = _covered(regions["y"].to_numpy(float), regions["height"].to_numpy(float), own["height"].to_numpy(), height)
    across = _covered(regions["x"].to_numpy(float), regions["width"].to_numpy(float), own["width"].to_numpy(), width)
    return (down * fill[:, None]).T @ across


def draw_density(density: NDArray[numpy.float64]) -> Image.Image:
    """Draw a density (h, w): transparent where it is 0, brighter and less transparent the higher it is; mode RGBA."""
    share = density / density.max() if density.max() > 0 else density
    colours = matplotlib.colormaps["plasma"](share)
    colours[..., 3] = numpy.where(share > 0, _LEAST_ALPHA + (1 - _LEAST_ALPHA) * share, 0)
    drawn = Image.fromarray((colours * 255 + 0.5).astype(numpy.uint8))
    return drawn.resize((drawn.width * _ENLARGED, drawn.height * _ENLARGED), Image.Resampling.BILINEAR)


def _covered(
    start: NDArray[numpy.float64], length: NDArray[numpy.float64], whole: NDArray[numpy.float64], cells: int
) -> NDArray[numpy.float64]:
    """The share of each cell (n, cells) that an interval (n,) of a side (n,) covers."""
    edges = numpy.arange(cells + 1)
    first, last = (start / whole * cells)[:, None], ((start + length) / whole * cells)[:, None]
    return numpy.clip(numpy.minimum(edges[1:], last) - numpy.maximum(edges[:-1], first), 0, 1)
