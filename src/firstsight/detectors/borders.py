"""Anomaly maps along the border of an image, where networks and windows see a mirrored texture."""

import torch
from torch import Tensor

CALM_SHARE = 0.1
"""A line's level is the score that this share of its cells lie below: a defect may fill all the rest of it."""

UNEVEN = 1.5
"""A side is lowered by at most so many times as much as the side that is raised least: beyond all four the texture is
made up, so what one side alone has is its own, such as a break along the edge of a tile."""


def level_borders(anomaly_map: Tensor, depth: int) -> Tensor:
    """Bring the lines of cells along each border down to the level of the whole map.

    What lies beyond the border is made up (reflected), and scores there are higher for it, over the whole length of a
    line. So each of the outer lines is divided by how many times its tenth percentile exceeds that of the map. A line
    that is not higher stays as it is, and none is lowered by more than `UNEVEN` times as much as the least raised of
    the four lines at the same distance. A defect at the border stands out from its line as it would elsewhere.

    Args:
        anomaly_map: (h, w), finite, not negative.
        depth: how many lines at each border, at most a quarter of the map: for windows of T cells T + 1, as far as
            scores depend on what lies beyond the border.

    Returns:
        (h, w), nowhere higher than the map.
    """
    level = _calm_level(anomaly_map)
    if level <= 0:
        return anomaly_map
    height, width = anomaly_map.shape
    excess = torch.ones_like(anomaly_map)
    for distance in range(min(depth, height // 4, width // 4)):
        sides: tuple[tuple[int | slice, ...], ...] = (
            (distance, slice(None)),
            (height - 1 - distance, slice(None)),
            (slice(None), distance),
            (slice(None), width - 1 - distance),
        )
        raised = [_calm_level(anomaly_map[side]) / level for side in sides]
        most = UNEVEN * min(raised)
        for side, times in zip(sides, raised, strict=True):
            excess[side] = excess[side].clamp(min=min(times, most))
    return anomaly_map / excess


def _calm_level(values: Tensor) -> float:
    flat = values.flatten()
    return float(flat.kthvalue(1 + round(CALM_SHARE * (len(flat) - 1))).values)
