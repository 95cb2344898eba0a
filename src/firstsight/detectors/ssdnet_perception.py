"""How alike an image and what SSDnet's network makes of it look to VGG19."""

from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.image_input import patch_starts
from firstsight.detectors.ssdnet_losses import inner_product
from firstsight.features import load_extractor

PERCEPTUAL_LAYER = "features.8"
PERCEPTUAL_STRIDE = 2

Perception = Callable[[Tensor], Tensor]


@lru_cache(maxsize=4)
def load_perception(weights: str | None, device: torch.device) -> Perception:
    """phi of both equations: VGG19 up to its eighth position (128 channels, a cell for 2 x 2 pixels; section 4.2).

    It takes images (B, 3, H, W). It is loaded once in a process for each file of weights and device. Gradients reach
    the images; the weights of VGG19 are fixed.

    Raises:
        FirstsightError: the weights cannot be obtained or read, or do not fit.
    """
    network = load_extractor("vgg19", weights=weights, layers=(PERCEPTUAL_LAYER,), device=device).network
    return lambda images: network(images)[PERCEPTUAL_LAYER]


def perceptual_similarity(perception: Perception, images: Tensor, outputs: Sequence[Tensor], enlarge: int) -> Tensor:
    """The `inner_product` of images with outputs, which gradients reach.

    Args:
        images: (B, 3, H, W).
        outputs: batches of that shape, over which the similarity is averaged.
        enlarge: by how much all are enlarged along each side before VGG19 sees them.

    Returns:
        (B, H, W).
    """
    size = (images.shape[2], images.shape[3])
    stride = PERCEPTUAL_STRIDE if enlarge == 1 else None
    with torch.no_grad():
        features = perception(_enlarged(images, enlarge))
    each = [inner_product(features, perception(_enlarged(output, enlarge)), size, stride) for output in outputs]
    return torch.stack(each).mean(dim=0)


@torch.no_grad()
def similarity_by_patches(
    perception: Perception, image: Tensor, outputs: Sequence[Tensor], *, enlarge: int, patch_size: int
) -> Tensor:
    """As `perceptual_similarity` of one image, with every patch enlarged by itself.

    The patches lie side by side (the last of a row or column overlaps the one before it), so VGG19 sees every pixel
    once: as many patches as Equation 3 sums over would take hours.

    Args:
        image: (3, H, W).
        outputs: of that shape.
        patch_size: pixels, at most H and W.

    Returns:
        (H, W).
    """
    similarity = torch.empty_like(image[0])
    rows, columns = (patch_starts(length, patch_size, patch_size) for length in image.shape[1:])
    for top in rows:
        for left in columns:
            part = (..., slice(top, top + patch_size), slice(left, left + patch_size))
            patches = [output[part][None] for output in outputs]
            similarity[part] = perceptual_similarity(perception, image[part][None], patches, enlarge)[0]
    return similarity


def _enlarged(images: Tensor, enlarge: int) -> Tensor:
    if enlarge == 1:
        return images
    return functional.interpolate(images, scale_factor=enlarge, mode="bilinear", align_corners=False)
