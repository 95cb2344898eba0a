"""What detectors that read the image itself share: reading it, and patches that overlap."""

from collections.abc import Mapping
from typing import Self

import torch
from pydantic import model_validator
from torch import Tensor
from torch.nn import functional

from firstsight.errors import FirstsightError
from firstsight.features.filling import fill_missing
from firstsight.settings_model import Count, SettingsModel, misplaced


class PatchedImageSettings(SettingsModel):
    """What the detectors have that look at overlapping patches of the reduced image."""

    image_size: Count | None
    """Pixels of the shorter side to which a larger image is reduced; null: the image's own."""
    patch_size: Count = 16
    """Pixels along each side of a patch."""
    step: Count = 8
    """Pixels from one patch to the next, at most patch_size."""

    @model_validator(mode="after")
    def _patches_cover_the_image(self) -> Self:
        if self.step > self.patch_size:
            raise misplaced("step", f"{self.step} should be at most patch_size ({self.patch_size})")
        return self


def read_grey(features: Mapping[str, Tensor], image_size: int | None) -> Tensor:
    """The grey image (ITU-R BT.601 weights), missing pixels filled, reduced to the size at which a method works.

    Args:
        features: {"image": (3, H, W)}, RGB in [0, 1], NaN where a pixel is missing.
        image_size: pixels of the shorter side of the reduced image; an image that is not larger stays as it is, as it
            does with None.

    Returns:
        (h, w) float32, finite.

    Raises:
        FirstsightError: no image, another shape, infinite values, or not a single known pixel.
    """
    red, green, blue = fill_missing(read_color(features))
    grey = 0.299 * red + 0.587 * green + 0.114 * blue
    height, width = grey.shape
    if image_size is None or min(height, width) <= image_size:
        return grey
    factor = image_size / min(height, width)
    return resize(grey, (round(height * factor), round(width * factor)))


def read_color(features: Mapping[str, Tensor]) -> Tensor:
    """The image of {"image": (3, H, W)}, float32, NaN where a pixel is missing.

    Raises:
        FirstsightError: no image, another shape, infinite values, or not a single known pixel.
    """
    if "image" not in features:
        raise FirstsightError(f"this detector reads the image, but was given only {', '.join(features) or 'nothing'}")
    image = features["image"].detach().to(torch.float32)
    if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
        raise FirstsightError(f"image has shape {tuple(image.shape)}, but must be (3, height, width)")
    if image.isinf().any():
        raise FirstsightError(f"image holds {int(image.isinf().sum())} infinite values")
    if image.isnan().any(dim=0).all():
        raise FirstsightError("image: every pixel is missing")
    return image


def resize(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (h, w) bilinearly, with antialiasing where it becomes smaller."""
    if tuple(values.shape) == size:
        return values
    return functional.interpolate(values[None, None], size=size, mode="bilinear", align_corners=False, antialias=True)[
        0, 0
    ]


def patch_starts(size: int, patch_size: int, step: int) -> list[int]:
    """Where patches start along an axis: at every ``step``-th pixel, and the last so that it ends at the frame."""
    last = size - patch_size
    return [*range(0, last, step), last]


def extract_patches(values: Tensor, patch_size: int, step: int) -> Tensor:
    """Overlapping patches of (C, h, w): (rows, columns, C, patch_size, patch_size).

    One starts at every ``step``-th pixel, and one ends at the frame, so that every pixel is in a patch.

    Raises:
        FirstsightError: the image is smaller than a patch.
    """
    height, width = values.shape[1:]
    if patch_size > min(height, width):
        raise FirstsightError(f"patch_size is {patch_size}, but the image is only {height} x {width} pixels")
    inside = torch.arange(patch_size, device=values.device)
    rows = torch.tensor(patch_starts(height, patch_size, step), device=values.device)[:, None] + inside
    columns = torch.tensor(patch_starts(width, patch_size, step), device=values.device)[:, None] + inside
    return values[:, rows[:, None, :, None], columns[None, :, None, :]].permute(1, 2, 0, 3, 4)


def merge_patches(patches: Tensor, size: tuple[int, int], step: int) -> Tensor:
    """Mean, at every pixel, of the patches (rows, columns, patch_size, patch_size) that hold it: (h, w).

    The patches lie as `extract_patches` took them. Sums are taken in one order, so the result is the same on a GPU
    from run to run.
    """
    height, width = size
    across = _add_along(patches.permute(0, 2, 1, 3), width, step)
    total = _add_along(across.permute(2, 0, 1), height, step).T
    ones = torch.ones_like(patches[:, :, 0])
    return total / (_add_along(ones[:, 0], height, step)[:, None] * _add_along(ones[0], width, step))


def _add_along(pieces: Tensor, size: int, step: int) -> Tensor:
    """Sum of pieces (..., n, patch_size), each where it starts: (..., size)."""
    patch_size = pieces.shape[-1]
    total = pieces.new_zeros((*pieces.shape[:-2], size))
    for place, start in enumerate(patch_starts(size, patch_size, step)):
        total[..., start : start + patch_size] += pieces[..., place, :]
    return total
