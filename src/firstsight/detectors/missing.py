"""Anomaly maps where pixels are missing."""

import torch
from torch import Tensor
from torch.nn import functional

LEAST_KNOWN = 0.5
"""A cell of which a smaller share is known was filled in, not seen."""


def calm_missing(anomaly_map: Tensor, known: Tensor) -> Tensor:
    """Give cells that lie on missing pixels the median of the others, since how well a hole was filled is no anomaly.

    Args:
        anomaly_map: (h, w), finite.
        known: (1, k, l), share of known pixels on a grid of any size over the same image.

    Returns:
        (h, w). An image keeps its map if less than half of every cell is known.
    """
    height, width = anomaly_map.shape
    share = functional.adaptive_avg_pool2d(known[None].float(), (height, width))[0, 0]
    seen = share.to(anomaly_map.device) >= LEAST_KNOWN
    if seen.all() or not seen.any():
        return anomaly_map
    return torch.where(seen, anomaly_map, anomaly_map[seen].median())
