"""What the detectors share about the T x T windows of a feature map: checks, Gaussian weights and blurring."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from firstsight.errors import FirstsightError

Features = torch.Tensor | npt.NDArray[np.floating]

# Cells of the kernel that smooths matching errors inside a window (5 x 5 in the authors' program).
SMOOTHING_SIZE = 5


def check_features(features: Features, patch_size: int) -> torch.Tensor:
    """The features as a contiguous float32 tensor (C, H, W).

    Raises FirstsightError where they have another shape or hold values that are not finite, and where patch_size is
    even or larger than the map.
    """
    tensor = torch.as_tensor(features)
    if tensor.ndim != 3 or tensor.shape[0] == 0:
        raise FirstsightError(f"features have shape {tuple(tensor.shape)}, but must be (channels, height, width)")
    if patch_size < 1 or patch_size % 2 == 0:
        raise FirstsightError(f"patch_size is {patch_size}, but must be odd and positive")
    height, width = tensor.shape[1:]
    if patch_size > min(height, width):
        raise FirstsightError(f"patch_size is {patch_size}, but the feature map is only {height} x {width} cells")
    tensor = tensor.detach().to(torch.float32).contiguous()
    # The sum is finite unless a value is not (or it overflows): mostly no mask of the size of the features is needed.
    if not torch.isfinite(tensor.sum()) and not (finite := torch.isfinite(tensor)).all():
        raise FirstsightError(f"features hold {int((~finite).sum())} values that are not finite")
    return tensor


def gaussian(size: int, sigma: float) -> npt.NDArray[np.float64]:
    """Gaussian weights of an odd number of cells; they sum to 1."""
    if not sigma > 0:
        raise FirstsightError(f"sigma is {sigma}, but must be positive")
    distance = np.arange(size) - size // 2
    weights = np.exp(-(distance**2) / (2 * sigma**2))
    return np.asarray(weights / weights.sum())


def blur(maps: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Gaussian-weighted mean of the size x size window round every cell of maps (N, H, W), reflected at the border."""
    return _weighted_means(functional.pad(maps[:, None], [size // 2] * 4, mode="reflect"), size, sigma)[:, 0]


def window_means(maps: torch.Tensor, size: int) -> torch.Tensor:
    """Mean of the size x size window round every cell of maps (N, H, W), as far as it lies on the map; size is odd."""
    return functional.avg_pool2d(maps, size, stride=1, padding=size // 2, count_include_pad=False)


def smooth(values: torch.Tensor, sigma: float, *, reach: int | None = None) -> torch.Tensor:
    """Gaussian-weighted mean of (h, w), mirrored at the border.

    Args:
        values: (h, w), of any size.
        sigma: deviation, cells.
        reach: how many cells count on each side; None: those within 3 deviations, or to the end of a smaller map.
    """
    if reach is None:
        reach = min(math.ceil(3 * sigma), *(side - 1 for side in values.shape))
    if reach == 0:
        return values
    rows, columns = (mirrored(side, reach, reach, values.device) for side in values.shape)
    return _weighted_means(values[rows][:, columns][None, None], 2 * reach + 1, sigma)[0, 0]


def mirrored(size: int, before: int, after: int, device: torch.device) -> torch.Tensor:
    """Indices from -before to size - 1 + after, mirrored at the first and the last cell as often as it takes."""
    cells = torch.arange(-before, size + after, device=device)
    period = max(2 * (size - 1), 1)
    cells = cells.remainder(period)
    return torch.minimum(cells, period - cells) if size > 1 else torch.zeros_like(cells)


def _weighted_means(padded: torch.Tensor, size: int, sigma: float) -> torch.Tensor:
    """Gaussian-weighted means of all size x size windows of maps (N, 1, H, W)."""
    weights = torch.from_numpy(gaussian(size, sigma)).to(padded)
    rows = functional.conv2d(padded, weights.view(1, 1, size, 1))
    return functional.conv2d(rows, weights.view(1, 1, 1, size))


# These two are kept, since the images of a shard have few different sizes; nobody may change what they return.
@lru_cache(maxsize=64)
def spread_weights(
    size: int, patch_size: int, sigma_p: float, sigma_s: float | None, *, renormalise: bool
) -> npt.NDArray[np.float32]:
    """Weights of FCA along one axis of `size` cells, (size, T, 5), for `kernels.feature_correspondence`.

    A cell's errors reach a neighbour by the smoothing inside the window, weighted by the neighbour's place in the
    window. The reflections of the cell that a window holds beyond the border have the cell's errors, and reach it, too.
    """
    half, margin = patch_size // 2, SMOOTHING_SIZE // 2
    position = gaussian(patch_size, sigma_p)
    smoothing = _smoothing_matrix(patch_size, sigma_s)
    cells = np.pad(np.arange(size), half, mode="reflect")
    weights = np.zeros((size, patch_size, SMOOTHING_SIZE))
    coverage = np.zeros(size)
    for centre in range(size):
        for place in range(max(0, half - centre), min(patch_size, size + half - centre)):
            target = centre + place - half
            coverage[target] += position[place]
            for source in np.flatnonzero(smoothing[place]):
                cell = cells[centre + source]
                share = position[place] * smoothing[place, source]
                weights[cell, centre - cell + half, target - cell + margin] += share
    if renormalise:
        targets = np.arange(size)[:, None] + np.arange(SMOOTHING_SIZE) - margin
        weights /= coverage[targets.clip(0, size - 1)][:, None]
    return weights.astype(np.float32)


@lru_cache(maxsize=64)
def centre_weights(size: int, patch_size: int, sigma: float) -> npt.NDArray[np.float32]:
    """Weights of SWW along one axis of `size` cells, (size, T, T): all errors of a window count for its centre."""
    half = patch_size // 2
    position = gaussian(patch_size, sigma)
    cells = np.pad(np.arange(size), half, mode="reflect")
    weights = np.zeros((size, patch_size, patch_size))
    for centre in range(size):
        for source in range(patch_size):
            cell = cells[centre + source]
            weights[cell, centre - cell + half, centre - cell + half] += position[source]
    return weights.astype(np.float32)


def _smoothing_matrix(size: int, sigma: float | None) -> npt.NDArray[np.float64]:
    """(size, size): row i holds the weights, reflected at the ends of the window, that make the smoothed value i."""
    matrix = np.zeros((size, size))
    taps = gaussian(SMOOTHING_SIZE, sigma) if sigma else np.ones(1)
    sources = np.pad(np.arange(size), len(taps) // 2, mode="reflect")
    for position in range(size):
        np.add.at(matrix[position], sources[position : position + len(taps)], taps)
    return matrix
