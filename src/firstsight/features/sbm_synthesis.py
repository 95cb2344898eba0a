"""The synthetic defects of SBM: a part of an image is deformed, or overlaid with another texture.

The paper takes deformation and texture noise from MemSeg (Yang et al. 2022) without details. MemSeg overlays a region,
obtained from Perlin noise by a threshold, with another texture at a random opacity. We do the same, with three
differences: the noise is an interpolated grid of Gaussian numbers (one octave looks alike, and needs no gradients); the
texture comes from the same image, turned, flipped and changed in brightness and contrast (MemSeg takes photographs of a
public collection, which users would have to download); and the deformation is ours.
"""

import torch
from torch import Tensor
from torch.nn import functional

# The smallest and largest share of the image's area that a defect covers.
_SHARE = (0.02, 0.15)
# Cells of the noise grid along a side of the image, for the region's outline and for the displacements.
_REGION_CELLS = (4, 8)
_DISPLACEMENT_CELLS = 6
# Standard deviation of displacements, as a share of the shorter side.
_DISPLACEMENT = 0.08
# MemSeg's opacities are 0.15 to 1; in a fine texture the smallest ones would be invisible.
_OPACITY = (0.3, 1.0)


def smooth_noise(height: int, width: int, cells: int, generator: torch.Generator) -> Tensor:
    """Smooth noise (H, W) float32: Gaussian numbers at the corners of a cells x cells grid, bicubic between them."""
    corners = torch.randn((1, 1, cells + 1, cells + 1), generator=generator)
    return functional.interpolate(corners, size=(height, width), mode="bicubic", align_corners=True)[0, 0]


def random_region(height: int, width: int, generator: torch.Generator) -> Tensor:
    """A smooth random region of one or several parts: (H, W) float32, 0 outside, rising to 1 inside."""
    cells = int(torch.randint(_REGION_CELLS[0], _REGION_CELLS[1] + 1, (), generator=generator))
    noise = smooth_noise(height, width, cells, generator)
    share = _between(*_SHARE, generator)
    # The threshold is a quantile; kthvalue, since torch.quantile refuses large images.
    outside = min(round((1 - share) * noise.numel()), noise.numel() - 1)
    threshold = noise.flatten().kthvalue(max(1, outside)).values
    return ((noise - threshold) / (noise.max() - threshold)).clamp(0, 1)


def deform(image: Tensor, region: Tensor, displacements: Tensor) -> Tensor:
    """Deform the inside of a region smoothly: pixel p shows what was at p + region(p) * displacement(p).

    Args:
        image: (3, H, W) in [0, 1].
        region: (H, W) in [0, 1]; nothing changes where it is 0.
        displacements: (2, H, W), pixels down and to the right; beyond the border the image is mirrored.

    Returns:
        (3, H, W) in [0, 1].
    """
    height, width = region.shape
    rows = torch.arange(height)[:, None] + region * displacements[0]
    columns = torch.arange(width) + region * displacements[1]
    grid = torch.stack([2 * columns / max(1, width - 1) - 1, 2 * rows / max(1, height - 1) - 1], dim=-1)
    moved = functional.grid_sample(image[None], grid[None], padding_mode="reflection", align_corners=True)[0]
    return torch.where(region > 0, moved.clamp(0, 1), image)


def overlay_texture(image: Tensor, region: Tensor, texture: Tensor, opacity: float) -> Tensor:
    """Overlay a region with another texture, at the same opacity everywhere: (3, H, W) in [0, 1].

    Args:
        image, texture: (3, H, W) in [0, 1].
        region: (H, W) in [0, 1]; nothing changes where it is 0.
        opacity: from 0 to 1.
    """
    return torch.where(region > 0, torch.lerp(image, texture, opacity), image)


def vary_texture(image: Tensor, generator: torch.Generator) -> Tensor:
    """An image (3, H, W) in [0, 1], randomly flipped and turned by half or (if square) a quarter, with its contrast
    changed around the mean by a factor of 0.6 to 1.4 and its brightness by up to 0.2."""
    flipped, turned = torch.randint(2, (2,), generator=generator).tolist()
    varied = image.flip(2) if flipped else image
    varied = torch.rot90(varied, 1 if image.shape[1] == image.shape[2] else 2, (1, 2)) if turned else varied
    contrast, brightness = _between(0.6, 1.4, generator), _between(-0.2, 0.2, generator)
    mean = varied.mean()
    return ((varied - mean) * contrast + mean + brightness).clamp(0, 1)


def synthesise_defect(image: Tensor, other: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Add one defect to an image: a deformation or another texture, with equal probability.

    Args:
        image: (3, H, W) float32 in [0, 1].
        other: the same, another part of this or another image, from which texture is taken.
        generator: on the CPU.

    Returns:
        The image with its defect, (3, H, W) in [0, 1], and where it may differ from the original, (H, W) bool.
    """
    height, width = image.shape[1:]
    region = random_region(height, width, generator)
    if torch.rand((), generator=generator) < 0.5:
        noise = [smooth_noise(height, width, _DISPLACEMENT_CELLS, generator) for _ in range(2)]
        defective = deform(image, region, torch.stack(noise) * _DISPLACEMENT * min(height, width))
    else:
        defective = overlay_texture(image, region, vary_texture(other, generator), _between(*_OPACITY, generator))
    return defective, region > 0


def _between(low: float, high: float, generator: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
