"""The reference windows that patch statistics compare with (Ardelean and Weyrich, 2024, Section 3.3).

A reference is a T x T window with every channel sorted on its own: the T * T order statistics.
"""

import numpy as np
import numpy.typing as npt
import torch

from firstsight.detectors.windows import Features, check_features
from firstsight.errors import FirstsightError

# Values of tiles that are sorted at a time: 8 MiB.
TILE_VALUES = 2**21


def median_reference(features: Features, patch_size: int) -> torch.Tensor:
    """The reference closest to the windows of a map: the lower median of every order statistic (Equation 7).

    Args:
        features: (C, H, W), finite.
        patch_size: T, odd, at most H and W. The windows are the non-overlapping T x T tiles from the upper left; the
            rest at the right and at the bottom is not used.

    Returns:
        (C, T * T), ascending along the last axis.
    """
    checked = check_features(features, patch_size)
    medians = checked.new_empty(len(checked), patch_size**2)
    step = max(1, TILE_VALUES // checked[0].numel())
    for start in range(0, len(checked), step):
        group = slice(start, start + step)
        tiles = checked[group].unfold(1, patch_size, patch_size).unfold(2, patch_size, patch_size)
        ordered = sort_last(tiles.flatten(3).flatten(1, 2)).transpose(1, 2)
        medians[group] = sort_last(ordered)[:, :, (ordered.shape[2] - 1) // 2]
    return medians


def window_positions(height: int, width: int, patch_size: int) -> npt.NDArray[np.int64]:
    """(N, 2): row and column of the upper left cell of every window that lies inside the map, in raster order."""
    rows, columns = np.mgrid[: height - patch_size + 1, : width - patch_size + 1]
    return np.stack([rows.ravel(), columns.ravel()], axis=1)


def random_positions(height: int, width: int, patch_size: int, count: int, seed: int) -> npt.NDArray[np.int64]:
    """(count, 2): different windows drawn at random from `window_positions`; the same for the same seed."""
    positions = window_positions(height, width, patch_size)
    check_count(count, len(positions))
    return np.random.default_rng(seed).choice(positions, count, replace=False)


def check_count(count: int, available: int) -> None:
    """Raise a FirstsightError unless `count` is between 1 and the number of `available` windows."""
    if not 1 <= count <= available:
        raise FirstsightError(f"reference_count is {count}, but must be between 1 and the map's {available} windows")


def order_statistics(features: torch.Tensor, patch_size: int, positions: npt.NDArray[np.int64]) -> torch.Tensor:
    """The sorted windows at the positions (N, 2) of features (C, H, W): (C, T * T, N), ascending along T * T."""
    windows = features.unfold(1, patch_size, 1).unfold(2, patch_size, 1)
    rows, columns = torch.from_numpy(positions).to(features.device).unbind(1)
    return sort_last(windows[:, rows, columns].flatten(2)).transpose(1, 2)


def sort_last(values: torch.Tensor) -> torch.Tensor:
    """The values in ascending order along the last axis."""
    # NumPy sorts short rows with SIMD instructions, about ten times faster than torch on a CPU.
    if values.device.type == "cpu":
        return torch.from_numpy(np.sort(values.numpy(), axis=-1))
    return values.sort(dim=-1).values
