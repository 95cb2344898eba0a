"""Laws' texture energy: how much a texture holds of edges, spots and ripples, without any training."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

LEVEL = (1.0, 4.0, 6.0, 4.0, 1.0)
EDGE = (-1.0, -2.0, 0.0, 2.0, 1.0)
SPOT = (-1.0, 0.0, 2.0, 0.0, -1.0)
RIPPLE = (1.0, -4.0, 6.0, -4.0, 1.0)

# Level times level is left out: it responds to brightness, not to texture.
PAIRS = ((0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3))
CHANNELS = ("L5E5", "L5S5", "L5R5", "E5E5", "E5S5", "E5R5", "S5S5", "S5R5", "R5R5")

MEAN_WINDOW = 15
ENERGY_WINDOW = 7
STRIDE = 4


def laws_energy(images: Tensor, *, border: str = "reflect") -> Tensor:
    """Laws' nine texture energy measures.

    The grey image (ITU-R BT.601 weights) minus its local mean in a 15 x 15 window is filtered with the 16 outer
    products of the kernels L5, E5, S5 and R5 (one along y, one along x; integers, not normalised). The energy of a
    product is the mean absolute response in a window. The energies of a product and its transpose are averaged, so that
    a texture and its transpose have the same measures; L5 L5 is left out.

    The window is 7 x 7 and is sampled at every fourth pixel. Laws' 15 x 15 at every pixel suits the labelling of
    regions; here a detector compares whole patches of cells (9 x 9 cells of stride 4 are 36 pixels), so the window need
    only be wide enough that sampling misses nothing, about twice the stride: a wider one would blur thin cracks.

    Source: K. I. Laws, Rapid texture identification, Optics & Photonics 1980; one of the extractors of the FCA paper
    (Ardelean and Weyrich 2024, Table 1).

    Args:
        images: (B, 3, H, W), float32, RGB in [0, 1]; H and W at least 8 for reflecting borders.
        border: ``reflect`` (as if the image were mirrored at its frame) or ``paper`` (zero padding).

    Returns:
        (B, 9, ceil(H / 4), ceil(W / 4)), in the order of ``CHANNELS``; cell i is centred at pixel 4 i; values from 0 to
        96.
    """
    red, green, blue = images.unbind(1)
    grey = (0.299 * red + 0.587 * green + 0.114 * blue)[:, None]
    detrended = grey - _local_mean(grey, MEAN_WINDOW, stride=1, border=border)
    kernels = torch.tensor((LEVEL, EDGE, SPOT, RIPPLE), device=images.device)
    padded = _pad(detrended, 2, border)
    energies = []
    # One vertical kernel at a time keeps four full-size responses in memory instead of sixteen.
    for kernel in kernels:
        response = F.conv2d(F.conv2d(padded, kernel[None, None, :, None]), kernels[:, None, None, :])
        energies.append(_local_mean(response.abs(), ENERGY_WINDOW, stride=STRIDE, border=border))
    return torch.stack([(energies[i][:, j] + energies[j][:, i]) / 2 for i, j in PAIRS], dim=1)


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """The extractor ``laws``, with the single layer ``energy`` and no weights (see ``extractor.Builder``)."""

    def network(images: Tensor) -> dict[str, Tensor]:
        return {layer: laws_energy(images, border=border) for layer in layers}

    return network


def _local_mean(maps: Tensor, window: int, *, stride: int, border: str) -> Tensor:
    """Mean in a square window of odd size around every stride-th pixel: (B, C, H, W) to (B, C, h, w)."""
    padded = _pad(maps, window // 2, border)
    rows = F.avg_pool2d(padded, (window, 1), stride=(stride, 1))
    return F.avg_pool2d(rows, (1, window), stride=(1, stride))


def _pad(maps: Tensor, by: int, border: str) -> Tensor:
    return F.pad(maps, (by, by, by, by), mode="reflect" if border == "reflect" else "constant")
