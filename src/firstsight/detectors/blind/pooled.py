"""The reference window of a whole collection, for feature correspondence analysis."""

from collections.abc import Sequence

import torch
from torch import Tensor

from firstsight.detectors.layers import scale_channels
from firstsight.detectors.reference_windows import order_statistics, random_positions, sort_last
from firstsight.errors import FirstsightError
from firstsight.storage.stored_images import Stored

WINDOWS_PER_IMAGE = 32


def pooled_reference(images: Sequence[Stored], layer: str, patch_size: int, seed: int) -> Tensor:
    """Lower median of every order statistic over random windows of many images (Equation 7, over a collection).

    Args:
        images: whose windows are used, at most 32 of each; images smaller than a window are left out. All windows are
            in memory at once: 32 * N * C * T * T values.
        layer: of the features; every image's channels are scaled to [0, 1].
        patch_size: T, odd.
        seed: of the windows.

    Returns:
        (C, T * T) float32, ascending along the last axis.

    Raises:
        FirstsightError: no image is as large as a window.
    """
    windows = []
    for number, (reader, key) in enumerate(images):
        scaled = scale_channels(torch.from_numpy(reader.read(key, layer)))
        height, width = scaled.shape[1:]
        if min(height, width) >= patch_size:
            count = min(WINDOWS_PER_IMAGE, (height - patch_size + 1) * (width - patch_size + 1))
            positions = random_positions(height, width, patch_size, count, seed + number)
            windows.append(order_statistics(scaled, patch_size, positions))
    if not windows:
        raise FirstsightError(f"no map of {layer} is as large as a window of {patch_size} x {patch_size} cells")
    ordered = sort_last(torch.cat(windows, dim=2).contiguous())
    return ordered[:, :, (ordered.shape[2] - 1) // 2].clone()
