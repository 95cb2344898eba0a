"""Pictures of studies: maps of two detectors beside their image, and curves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

INCHES = 3.2
COLOUR_MAP = "magma"


@dataclass(frozen=True)
class MapPair:
    """One row of `draw_map_pairs`.

    title: written above the image.
    image: (H, W, 3) RGB in [0, 1].
    mask: (H, W), its true anomalies, where they are known.
    maps: (H, W) anomaly maps by detector.
    """

    title: str
    image: NDArray[np.float32]
    mask: NDArray[np.bool_] | None
    maps: Mapping[str, NDArray[np.float32]]


def draw_map_pairs(path: Path, pairs: Sequence[MapPair]) -> None:
    """Draw each image, its true anomalies outlined, with the maps beside it, and write the picture as PNG.

    Every map has the whole range of colours to itself, since scores of two detectors cannot be compared. Without pairs
    the picture says that there is nothing to compare.
    """
    columns = 1 + max((len(pair.maps) for pair in pairs), default=0)
    figure = Figure(figsize=(INCHES * columns, INCHES * max(1, len(pairs))), layout="constrained")
    axes = figure.subplots(max(1, len(pairs)), columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    if not pairs:
        axes[0, 0].text(0.5, 0.5, "nothing to compare", ha="center")
    for row, pair in zip(axes, pairs, strict=False):
        row[0].imshow(np.nan_to_num(pair.image, nan=0.5))
        row[0].set_title(_plain(pair.title), fontsize=8)
        if pair.mask is not None and pair.mask.any() and not pair.mask.all():
            row[0].contour(pair.mask, levels=[0.5], colors="red", linewidths=0.8)
        for axis, (detector, anomaly_map) in zip(row[1:], pair.maps.items(), strict=False):
            axis.imshow(anomaly_map, cmap=COLOUR_MAP)
            axis.set_title(_plain(detector), fontsize=8)
    FigureCanvasAgg(figure).print_png(str(path))


def draw_curves(path: Path, curves: Mapping[str, Mapping[str, Mapping[float, float]]], metric: str) -> None:
    """Draw curves side by side and write the picture as PNG.

    Args:
        path: PNG to make.
        curves: {what varies (below an axis): {detector: {level: value}}}; values in [0, 1].
        metric: what the values are.
    """
    figure = Figure(figsize=(1.8 * INCHES * max(1, len(curves)), 1.5 * INCHES), layout="constrained")
    axes = figure.subplots(1, max(1, len(curves)), squeeze=False, sharey=True)[0]
    for axis, (varied, by_detector) in zip(axes, curves.items(), strict=False):
        for number, (detector, values) in enumerate(by_detector.items()):
            levels = sorted(values)
            # Colours come round again after ten; then the line is another.
            style = ("-", "--", ":")[number // 10 % 3]
            axis.plot(levels, [values[level] for level in levels], f"o{style}", markersize=3, label=_plain(detector))
        axis.set_xlabel(varied)
        axis.set_ylim(0, 1.02)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel(metric)
    handles, names = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, names, loc="outside right center", fontsize=8)
    FigureCanvasAgg(figure).print_png(str(path))


def _plain(text: str) -> str:
    """Text that matplotlib does not read as mathematics, in characters that any file system may have given."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("$", r"\$")
