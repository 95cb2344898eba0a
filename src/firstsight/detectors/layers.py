"""Feature layers on their way into a detector, and the maps of several layers on their way out."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate


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


def finest_layer(strides: Mapping[str, int]) -> str:
    """Name of the layer with the smallest stride (the first of them); its grid is the grid of the fused map."""
    return min(strides, key=lambda layer: strides[layer])


def fuse_maps(maps: Sequence[Tensor]) -> Tensor:
    """Mean of the anomaly maps of several layers on the grid of the finest.

    Args:
        maps: (h_l, w_l) each, on one common scale of scores.

    Returns:
        (h, w) with the largest h and w among them; coarser maps are enlarged bilinearly.
    """
    height, width = max(tuple(each.shape) for each in maps)
    enlarged = [
        interpolate(each[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0]
        if tuple(each.shape) != (height, width)
        else each
        for each in maps
    ]
    return torch.stack(enlarged).mean(dim=0)
