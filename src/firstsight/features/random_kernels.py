"""Random projections of small colour patches: texture features without any prior knowledge of images."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

CHANNELS = 128
KERNEL_SIZES = {"random5": 5, "random7": 7}

# The features depend on it: whoever changes the seed must raise the version in the registry.
SEED = 0


def random_kernels(size: int) -> Tensor:
    """The kernels of one size: directions drawn uniformly from the sphere, the same on every machine.

    Args:
        size: side of a kernel in pixels, odd.

    Returns:
        (128, 3, size, size) float32 on the CPU; every kernel (3, size, size) has norm 1.
    """
    generator = torch.Generator().manual_seed(SEED)
    kernels = torch.randn((CHANNELS, 3, size, size), generator=generator, dtype=torch.float64)
    return (kernels / kernels.flatten(1).norm(dim=1)[:, None, None, None]).float()


def random_projections(images: Tensor, kernels: Tensor, *, border: str = "reflect") -> Tensor:
    """Project the patch around every pixel onto every kernel.

    Two textures with the same distribution of patches have the same distribution of every projection, and the distance
    of those one-dimensional distributions, averaged over random directions, is the sliced Wasserstein distance of the
    patches. That is why a detector that ranks every channel separately works with random kernels. They do not sum to
    zero, so they respond to brightness and colour too.

    Source: RandProj of the FCA paper (Ardelean and Weyrich 2024, Table 1: normalised random 5 x 5 kernels, about 128
    channels), after Elnekave and Weiss, Generating natural images with direct patch distributions matching, ECCV 2022.

    Args:
        images: (B, 3, H, W), float32, RGB in [0, 1]; with reflecting borders H and W are larger than half a kernel.
        kernels: (C, 3, n, n) float32 on the device of the images, n odd.
        border: ``reflect`` (as if the image were mirrored at its frame) or ``paper`` (zero padding).

    Returns:
        (B, C, H, W); a kernel of norm 1 gives values within +- n * sqrt(3).
    """
    half = kernels.shape[-1] // 2
    padded = F.pad(images, (half, half, half, half), mode="reflect" if border == "reflect" else "constant")
    return F.conv2d(padded, kernels)


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """The extractor ``random_kernels``, with layers ``KERNEL_SIZES`` and no weights (see ``extractor.Builder``)."""
    kernels = {layer: random_kernels(KERNEL_SIZES[layer]).to(device) for layer in layers}

    def network(images: Tensor) -> dict[str, Tensor]:
        return {layer: random_projections(images, kernels[layer], border=border) for layer in layers}

    return network
