"""What every method hands back of an image, and the form in which the peers take one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

from piles import Pile

SIDE = 256
"""Peers see images resized to a square of so many pixels, as anomalib's models do by default."""

BATCH = 16
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of the images of ImageNet, for which the weights are."""


class Found(NamedTuple):
    """The anomaly map of an image, (height, width) float32, None for a method that makes none, and its score."""

    map: NDArray[np.float32] | None
    score: float


def batches(pile: Pile, places: Sequence[int]) -> Iterator[Tensor]:
    """Images as (B, 3, 256, 256), resized with antialiasing and normalised."""
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    for start in range(0, len(places), BATCH):
        images = [_resized(pile.image(place)) for place in places[start : start + BATCH]]
        yield (torch.cat(images) - mean) / deviation


def _resized(image: NDArray[np.float32]) -> Tensor:
    values = torch.from_numpy(image).permute(2, 0, 1)[None]
    return interpolate(values, size=(SIDE, SIDE), mode="bilinear", antialias=True)


def to_image(anomaly_map: Tensor, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Resample a map (h, w) of the square to the size of its image, bilinearly."""
    resized = interpolate(anomaly_map[None, None], size=shape, mode="bilinear", align_corners=False)
    return resized[0, 0].float().numpy()
