"""Missing pixels: filling them before features are computed, and the share of known pixels."""

import torch
from torch import Tensor
from torch.nn import functional

from firstsight.errors import FirstsightError

KNOWN_STRIDE = 4
"""Side, in pixels, of the squares for which `known_share` gives the share of known pixels."""


def fill_missing(image: Tensor) -> Tensor:
    """Fill missing pixels from the known pixels around them.

    The image is halved until no pixel is missing, each coarse pixel being the mean of the known ones among its four;
    then every missing pixel is interpolated bilinearly from the next coarser image.

    Args:
        image: (C, H, W), NaN in any channel where a pixel is missing.

    Returns:
        (C, H, W) without NaN; known pixels are unchanged.

    Raises:
        FirstsightError: every pixel is missing.
    """
    known = ~image.isnan().any(dim=0, keepdim=True)
    if known.all():
        return image
    if not known.any():
        raise FirstsightError("image: every pixel is missing")
    size = image.shape[1:]
    share = functional.avg_pool2d(known.to(image)[None], 2, ceil_mode=True, count_include_pad=False)[0]
    values = torch.where(known, image, 0)
    total = functional.avg_pool2d(values[None], 2, ceil_mode=True, count_include_pad=False)[0]
    coarse = fill_missing(torch.where(share > 0, total / share, torch.nan))
    enlarged = functional.interpolate(
        coarse[None], size=(2 * coarse.shape[1], 2 * coarse.shape[2]), mode="bilinear", align_corners=False
    )[0]
    return torch.where(known, image, enlarged[:, : size[0], : size[1]])


def known_share(image: Tensor) -> Tensor:
    """The share of known pixels in squares of `KNOWN_STRIDE` x `KNOWN_STRIDE` pixels: (1, ceil(H / 4), ceil(W / 4)).

    Args:
        image: (C, H, W), NaN in any channel where a pixel is missing.
    """
    known = (~image.isnan().any(dim=0, keepdim=True)).to(torch.float32)
    return functional.avg_pool2d(known[None], KNOWN_STRIDE, ceil_mode=True, count_include_pad=False)[0]
