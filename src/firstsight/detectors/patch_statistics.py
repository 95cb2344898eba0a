"""Patch statistics: how the cells of every local window differ from what the windows of the image usually hold.

Methods of "High-Fidelity Zero-Shot Texture Anomaly Localization Using Feature Correspondence Analysis" (Ardelean and
Weyrich, 2024). Every function takes the features (C, H, W) of one image and returns its anomaly map, (H, W) float32, on
the device of the features. Windows are T x T cells, reflected at the border of the map.

Features on a CUDA device are matched on that device if Triton is installed, and otherwise on the CPU.

`fca` and `sample_weighted_wasserstein` compare with reference windows (Section 3.3). Where there are several, the score
is the mean over them and not the sum of Equation 1, so that it does not grow with their number:

- "median": one reference, the median of every order statistic over the image's tiles (Equation 7);
- "random": `reference_count` windows drawn with `seed` from those that lie inside the map;
- "all": every window that lies inside the map;
- "knn": each of those windows serves as the only reference of a map, and every cell takes the mean of its
  `reference_count` smallest scores. That makes a map for every window, so it is for small feature maps only: 40 x 40
  cells take a second, 128 x 128 many minutes.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import torch

from firstsight.detectors.patch_settings import Border, Reference
from firstsight.detectors.reference_windows import (
    check_count,
    median_reference,
    order_statistics,
    random_positions,
    sort_last,
    window_positions,
)
from firstsight.detectors.windows import Features, blur, centre_weights, check_features, spread_weights
from firstsight.errors import FirstsightError
from firstsight.kernels.feature_correspondence import feature_correspondence
from firstsight.kernels.reference_maps import reference_maps

__all__ = ["fca", "histogram", "median_reference", "moments", "sample_weighted_wasserstein"]

# Values of reference windows that are held at a time: 32 MiB, and twice that for their sums.
REFERENCE_VALUES = 2**23

# Values of the maps of single references that a thread holds at a time: 64 MiB.
MAP_VALUES = 2**24


def fca(
    features: Features,
    *,
    patch_size: int = 9,
    sigma_p: float = 3.0,
    sigma_s: float | None = 1.0,
    reference: Reference | torch.Tensor = "median",
    reference_count: int = 10,
    seed: int = 0,
    border: Border = "renormalise",
) -> torch.Tensor:
    """Feature correspondence analysis (Equation 6).

    Every window is matched with the reference, channel by channel and rank by rank, and the matching errors are
    smoothed inside the window. A cell's score is the Gaussian-weighted sum of its errors over all windows that hold it
    and whose centre lies in the map. Cells of equal value share the mean error of the ranks that they occupy together,
    so the map does not depend on the order of cells.

    Args:
        features: (C, H, W), finite; a tensor or an array.
        patch_size: T, odd, at most H and W.
        sigma_p: deviation, in cells, of the weight of a window by the distance of its centre.
        sigma_s: deviation, in cells, of the 5 x 5 smoothing of errors inside a window; None or 0: no smoothing, as in
            Equation 5.
        reference, reference_count, seed: see the top of this module; or one reference that is given, (C, T * T),
            ascending along the last axis.
        border: "renormalise" divides by the summed weights of the windows that hold the cell; "paper" does not, so that
            scores fade within T // 2 cells of the border.
    """
    checked = check_features(features, patch_size)
    if border not in ("renormalise", "paper"):
        raise FirstsightError(f"border is {border!r}, but must be 'renormalise' or 'paper'")
    renormalise = border == "renormalise"
    height, width = checked.shape[1:]
    weights = (
        spread_weights(height, patch_size, sigma_p, sigma_s, renormalise=renormalise),
        spread_weights(width, patch_size, sigma_p, sigma_s, renormalise=renormalise),
    )
    return _correspondence(checked, weights, reference, reference_count, seed)


def sample_weighted_wasserstein(
    features: Features,
    *,
    patch_size: int = 9,
    sigma_w: float = 6.0,
    reference: Reference = "median",
    reference_count: int = 10,
    seed: int = 0,
) -> torch.Tensor:
    """Sample-weighted Wasserstein distance (Equation 4): the Gaussian-weighted mean of a window's own matching errors.

    Args:
        features: (C, H, W), finite; a tensor or an array.
        patch_size: T, odd, at most H and W.
        sigma_w: deviation, in cells, of the weight of an error by its distance from the window's centre.
        reference, reference_count, seed: see the top of this module.
    """
    checked = check_features(features, patch_size)
    height, width = checked.shape[1:]
    weights = (centre_weights(height, patch_size, sigma_w), centre_weights(width, patch_size, sigma_w))
    return _correspondence(checked, weights, reference, reference_count, seed)


def histogram(features: Features, *, patch_size: int = 9, sigma: float = 6.0, bins: int = 10) -> torch.Tensor:
    """Distance of a window's histogram from the image's mean histogram (Equation 3), averaged over channels.

    The distance is the mean absolute difference of the cumulative histograms.

    Args:
        features: (C, H, W), finite; a tensor or an array.
        patch_size: T, odd, at most H and W.
        sigma: deviation, in cells, of the weight of a cell in the histogram of its window.
        bins: number of bins between the least and the greatest value of a channel. As in the authors' program, the bins
            are wider by 1/999, so that the last one holds the greatest value.
    """
    checked = check_features(features, patch_size)
    if bins < 1:
        raise FirstsightError(f"bins is {bins}, but must be positive")
    least, greatest = checked.amin((1, 2), keepdim=True), checked.amax((1, 2), keepdim=True)
    span = torch.where(greatest > least, greatest - least, 1)
    bin_of = ((checked - least) / span * (0.999 * bins)).floor_()
    total = torch.zeros_like(checked[0])
    # The last cumulative value is 1 everywhere, so it adds nothing.
    for last in range(bins - 1):
        cumulative = blur((bin_of <= last).to(checked.dtype), patch_size, sigma)
        total += (cumulative - cumulative.mean((1, 2), keepdim=True)).abs_().mean(0)
    return total / bins


def moments(features: Features, *, patch_size: int = 9, sigma: float = 6.0, powers: int = 4) -> torch.Tensor:
    """Squared distance of a window's moments from the image's mean (Equation 2), averaged over channels and powers.

    Args:
        features: (C, H, W), finite; a tensor or an array.
        patch_size: T, odd, at most H and W.
        sigma: deviation, in cells, of the weight of a cell in the moments of its window.
        powers: the moments are the weighted means of the first to this power of the features.
    """
    checked = check_features(features, patch_size)
    if powers < 1:
        raise FirstsightError(f"powers is {powers}, but must be positive")
    total = torch.zeros_like(checked[0])
    for power in range(1, powers + 1):
        moment = blur(checked**power, patch_size, sigma)
        total += (moment - moment.mean((1, 2), keepdim=True)).square_().mean(0)
    return total / powers


Weights = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
Match = Callable[[slice, torch.Tensor], torch.Tensor]


def _correspondence(
    features: torch.Tensor,
    weights: Weights,
    reference: Reference | torch.Tensor,
    reference_count: int,
    seed: int,
) -> torch.Tensor:
    """The map of the matching errors, weighted as `kernels.feature_correspondence` says, for any kind of reference."""
    height, width = features.shape[1:]
    patch_size = weights[0].shape[1]
    on_gpu = features.is_cuda and find_spec("triton") is not None
    match = _match_on_gpu(features, weights) if on_gpu else _match(features, weights)
    if isinstance(reference, torch.Tensor):
        if reference.shape != (len(features), patch_size**2):
            raise FirstsightError(f"the reference is {tuple(reference.shape)}, not {(len(features), patch_size**2)}")
        return match(slice(None), reference[:, :, None].to(features))
    if reference == "median":
        return match(slice(None), median_reference(features, patch_size)[:, :, None])
    if reference == "random":
        positions = random_positions(height, width, patch_size, reference_count, seed)
        return _mean_over_references(features, patch_size, positions, match)
    if reference == "all":
        return _mean_over_references(features, patch_size, window_positions(height, width, patch_size), match)
    if reference == "knn":
        positions = window_positions(height, width, patch_size)
        check_count(reference_count, len(positions))
        if on_gpu:
            return _nearest_on_gpu(features, patch_size, positions, reference_count, match)
        return _nearest(features, weights, positions, reference_count)
    raise FirstsightError(f"reference is {reference!r}, but must be 'median', 'random', 'knn' or 'all'")


def _match(features: torch.Tensor, weights: Weights) -> Match:
    """A function that matches channels of the features with references, on the CPU."""
    values = features.cpu().numpy()

    def match(channels: slice, references: torch.Tensor) -> torch.Tensor:
        ordered = np.ascontiguousarray(references.cpu().numpy())
        result = feature_correspondence(values[channels], ordered, *weights, threads=torch.get_num_threads())
        return torch.from_numpy(result).to(features.device)

    return match


def _match_on_gpu(features: torch.Tensor, weights: Weights) -> Match:
    """A function that matches channels of the features with references, on the CUDA device of the features."""
    # Not every machine has Triton.
    from firstsight.kernels import feature_correspondence_gpu as gpu  # noqa: PLC0415

    rows, columns = (torch.from_numpy(weight).to(features.device) for weight in weights)

    def match(channels: slice, references: torch.Tensor) -> torch.Tensor:
        return gpu.feature_correspondence(features[channels], references, rows, columns)

    return match


def _mean_over_references(
    features: torch.Tensor, patch_size: int, positions: npt.NDArray[np.int64], match: Match
) -> torch.Tensor:
    """Mean of the maps of the references at the positions; channels come in groups that bound the memory."""
    channels, height, width = features.shape
    group = max(1, REFERENCE_VALUES // (patch_size**2 * len(positions)))
    total = torch.zeros((height, width), device=features.device)
    for start in range(0, channels, group):
        part = slice(start, min(start + group, channels))
        references = sort_last(order_statistics(features[part], patch_size, positions))
        total += match(part, references) * ((part.stop - part.start) / channels)
    return total


def _nearest(features: torch.Tensor, weights: Weights, positions: npt.NDArray[np.int64], count: int) -> torch.Tensor:
    """At every cell, the mean of the `count` smallest scores among the maps of the references at the positions."""
    cells = features.cpu()
    patch_size = weights[0].shape[1]
    threads = torch.get_num_threads()
    group = max(1, min(MAP_VALUES // cells[0].numel(), -(-len(positions) // threads)))

    def smallest(start: int) -> npt.NDArray[np.float32]:
        references = order_statistics(cells, patch_size, positions[start : start + group]).numpy()
        return _smallest(reference_maps(cells.numpy(), references, *weights), count)

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(smallest, range(0, len(positions), group)))
    nearest = _smallest(np.concatenate(found, axis=2), count)
    return torch.from_numpy(np.sort(nearest, axis=2).mean(axis=2)).to(features.device)


def _smallest(maps: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.float32]:
    """The `count` smallest along the last axis, or all where there are no more."""
    return np.partition(maps, count - 1, axis=2)[:, :, :count] if count < maps.shape[2] else maps


def _nearest_on_gpu(
    features: torch.Tensor, patch_size: int, positions: npt.NDArray[np.int64], count: int, match: Match
) -> torch.Tensor:
    """The same, reference by reference."""
    smallest = torch.full((count, *features.shape[1:]), torch.inf, device=features.device)
    for position in positions:
        score = match(slice(None), order_statistics(features, patch_size, position[None]))
        worst = smallest.argmax(dim=0, keepdim=True)
        smallest.scatter_(0, worst, torch.minimum(smallest.gather(0, worst), score))
    return smallest.mean(dim=0)
