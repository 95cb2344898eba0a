"""Steerable filters: edges and lines in four orientations, at the finest scale of the steerable pyramid."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from pyrtools.pyramids.filters import steerable_filters
from torch import Tensor

# Third derivatives: any orientation is a weighted sum of four, hence the four orientations.
FILTERS = "sp3_filters"
ORIENTATIONS = (0, 45, 90, 135)
CHANNELS = tuple(f"{color}{degrees}" for color in ("red", "green", "blue") for degrees in ORIENTATIONS)


def steerable_bands(images: Tensor, *, border: str = "reflect") -> Tensor:
    """The four oriented bands of the first level of the steerable pyramid, at full resolution.

    Every colour is filtered with the pyramid's 9 x 9 low-pass and then with its four 9 x 9 oriented filters. The filter
    at 0 degrees responds to vertical edges, where values change from left to right; the others are turned
    counterclockwise by 45 degrees each. A kernel sums to zero, so brightness has no effect. The sign of the response
    tells a rising edge from a falling one and is kept, since detectors compare distributions of responses.

    The filters are Simoncelli's, from pyrtools. They are applied here rather than by pyrtools, so that whole batches
    can be filtered, also on a GPU.

    Source: W. T. Freeman and E. H. Adelson, The design and use of steerable filters, PAMI 1991; E. P. Simoncelli and
    W. T. Freeman, The steerable pyramid, ICIP 1995; one of the extractors of the FCA paper (Ardelean and Weyrich 2024,
    Table 1: one level at full resolution).

    Args:
        images: (B, 3, H, W), float32, RGB in [0, 1]; H and W at least 5 for reflecting borders.
        border: ``reflect`` (as if the image were mirrored at its frame) or ``paper`` (zero padding).

    Returns:
        (B, 12, H, W), in the order of ``CHANNELS``; values within +- 1.
    """
    low_pass, oriented = (kernels.to(images.device) for kernels in _kernels())
    planes = images.flatten(0, 1)[:, None]
    bands = _filter(_filter(planes, low_pass, border), oriented, border)
    return bands.reshape(len(images), len(CHANNELS), *images.shape[2:])


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """The extractor ``steerable``, with the single layer ``bands`` and no weights (see ``extractor.Builder``)."""

    def network(images: Tensor) -> dict[str, Tensor]:
        return {layer: steerable_bands(images, border=border) for layer in layers}

    return network


def _kernels() -> tuple[Tensor, Tensor]:
    """The low-pass (1, 1, n, n) and the oriented filters (4, 1, n, n), float32."""
    filters = steerable_filters(FILTERS)
    low_pass = filters["lo0filt"]
    # pyrtools stores an oriented filter as a column of its table, in Matlab's column-major order.
    size = round(len(filters["bfilts"]) ** 0.5)
    oriented = np.stack([column.reshape(size, size).T for column in filters["bfilts"].T])
    return torch.from_numpy(low_pass).float()[None, None], torch.from_numpy(oriented).float()[:, None]


def _filter(planes: Tensor, kernels: Tensor, border: str) -> Tensor:
    """Correlate (N, 1, H, W) with kernels (K, 1, n, n) of odd size: (N, K, H, W)."""
    half = kernels.shape[-1] // 2
    padded = F.pad(planes, (half, half, half, half), mode="reflect" if border == "reflect" else "constant")
    return F.conv2d(padded, kernels)
