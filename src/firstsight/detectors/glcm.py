"""Grey-level co-occurrence: how often two grey levels are neighbours in a window, compared with the whole image."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, Strict, model_validator
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.image_input import patch_starts, read_grey
from firstsight.errors import FirstsightError
from firstsight.settings_model import Count, SettingsModel, misplaced
from firstsight.storage.geometry import Geometry

DIRECTIONS = ((0, 1), (1, 1), (1, 0), (1, -1))
"""Rows and columns from a pixel to its neighbour at distance 1: 0, 135, 90 and 45 degrees in Haralick's words."""

Property = Literal["contrast", "dissimilarity", "homogeneity", "energy", "correlation"]

# Added to the robust deviation of a property (all lie in [-1, 1]): in a regular texture properties differ by rounding
# alone, which must not become scores.
LEAST_DEVIATION = 1e-3
# Turns the median absolute deviation of a normal distribution into its standard deviation.
NORMAL = 1.4826


class GlcmSettings(SettingsModel):
    """Grey-level co-occurrence, see `detect`."""

    image_size: Count | None = None
    """Pixels of the shorter side to which a larger image is reduced; null: the image's own."""
    levels: Annotated[int, Field(ge=2, le=64)] = 8
    """Grey levels."""
    distance: Count = 1
    """Pixels between the two of a pair, along rows and columns, less than window_size."""
    window_size: Annotated[int, Field(ge=2)] = 32
    """Pixels along each side of a window."""
    step: Count = 8
    """Pixels from one window to the next, at most window_size."""
    properties: Annotated[tuple[Property, ...], Field(min_length=1), Strict(False)] = (
        "contrast",
        "homogeneity",
        "energy",
        "correlation",
    )
    """Properties of co-occurrence that are measured."""

    @model_validator(mode="after")
    def _window_holds_them(self) -> Self:
        if self.distance >= self.window_size:
            raise misplaced("distance", f"{self.distance} should be below window_size ({self.window_size})")
        if self.step > self.window_size:
            raise misplaced("step", f"{self.step} should be at most window_size ({self.window_size})")
        return self


def detect(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: GlcmSettings) -> Tensor:
    """How far the co-occurrence properties of the window round a pixel are from those of a typical window.

    The grey image is quantised to levels that are equally frequent in it, as Haralick does. For each of four
    directions, a window's matrix counts all pairs of pixels inside the window, in both orders. Every property in every
    direction is measured from its median over the windows, in robust deviations. The map is the root mean square of
    these, read bilinearly between the centres of the windows. No window reaches beyond the frame (a mirror image would
    turn the texture's direction); pixels outside the outermost centres take the values there.

    Source: R. M. Haralick, K. Shanmugam and I. Dinstein, Textural features for image classification, 1973, with the
    properties of scikit-image's ``graycoprops``. The SSDnet paper (Moradi et al. 2025) compares itself with the energy
    of such matrices, without stating window or levels; what is done with the properties is our choice.

    Args:
        features: {"image": (3, H, W) RGB in [0, 1], NaN where a pixel is missing}.
        places: not needed, since the map lies on the image.
        settings: see `GlcmSettings`.

    Returns:
        (H, W) float32, not negative, in robust deviations.

    Raises:
        FirstsightError: the image is smaller than a window.
    """
    grey = read_grey(features, settings.image_size)
    if min(grey.shape) < settings.window_size:
        raise FirstsightError(
            f"window_size is {settings.window_size}, but the image is only {grey.shape[0]} x {grey.shape[1]} pixels"
        )
    levels = quantise(grey, settings.levels)
    window = settings.window_size
    starts = [patch_starts(size, window, settings.step) for size in grey.shape]
    values = []
    for row, column in DIRECTIONS:
        offset = (row * settings.distance, column * settings.distance)
        matrices = cooccurrence(levels, settings.levels, offset, window_size=window, rows=starts[0], columns=starts[1])
        values += [texture_property(matrices, name) for name in settings.properties]
    distances = torch.stack([_robust_deviations(measured).square() for measured in values]).mean(0).sqrt()
    size = (features["image"].shape[1], features["image"].shape[2])
    for own, pixels, first in zip(grey.shape, size, starts, strict=True):
        centres = torch.tensor(first, device=grey.device, dtype=torch.float64) + window / 2
        distances = _read_along(distances, centres * (pixels / own), pixels).T
    return distances.contiguous()


def quantise(grey: Tensor, levels: int) -> Tensor:
    """Levels from 0 to levels - 1, all equally frequent where no values are equal: (h, w) int64."""
    ordered = grey.flatten().sort().values
    places = [len(ordered) * level // levels for level in range(1, levels)]
    return torch.bucketize(grey, ordered[places], right=True)


def cooccurrence(
    levels: Tensor, count: int, offset: tuple[int, int], *, window_size: int, rows: list[int], columns: list[int]
) -> Tensor:
    """Symmetric, normalised co-occurrence matrices of the windows of an image; the pairs lie inside the windows.

    The image is cut wherever a window begins or ends. Pairs are counted once in each of these pieces, and differences
    of running sums add up the pieces of a window, so the time hardly depends on the size of the windows.

    Args:
        levels: (h, w) int64, from 0 to count - 1.
        count: number of levels.
        offset: rows (not negative) and columns from the first to the second pixel of a pair, below window_size.
        window_size: pixels along each side of a window.
        rows, columns: where the windows start, ascending.

    Returns:
        (len(rows), len(columns), count, count) float32; each matrix sums to 1.
    """
    down, right = offset
    left = max(-right, 0)
    height, width = levels.shape
    first = levels[: height - down, left : width - max(right, 0)]
    second = levels[down:, left + right : width - max(right, 0) + right]
    # The first pixels of a window's pairs fill fewer rows and columns than the window has.
    row_piece, row_begin, row_end = _pieces(first.shape[0], rows, window_size - down, levels.device)
    column_piece, column_begin, column_end = _pieces(first.shape[1], columns, window_size - abs(right), levels.device)
    pieces = (int(row_piece[-1]) + 1, int(column_piece[-1]) + 1)
    codes = ((row_piece[:, None] * pieces[1] + column_piece) * count + first) * count + second
    counts = torch.bincount(codes.flatten(), minlength=pieces[0] * pieces[1] * count**2)
    sums = functional.pad(counts.view(*pieces, count**2).cumsum(0).cumsum(1), (0, 0, 1, 0, 1, 0))
    sums = sums[row_end] - sums[row_begin]
    matrices = (sums[:, column_end] - sums[:, column_begin]).reshape(len(rows), len(columns), count, count)
    pairs = (window_size - down) * (window_size - abs(right))
    return (matrices + matrices.transpose(-1, -2)).float() / (2 * pairs)


def texture_property(matrices: Tensor, name: str) -> Tensor:
    """One property of normalised co-occurrence matrices (..., L, L), as scikit-image's ``graycoprops`` defines it.

    Contrast and dissimilarity are divided by their largest values, (L - 1)^2 and L - 1, so as not to depend on L.
    """
    count = matrices.shape[-1]
    levels = torch.arange(count, device=matrices.device, dtype=matrices.dtype)
    difference = levels[:, None] - levels
    if name == "contrast":
        return (matrices * (difference / (count - 1)).square()).sum(dim=(-1, -2))
    if name == "dissimilarity":
        return (matrices * (difference / (count - 1)).abs()).sum(dim=(-1, -2))
    if name == "homogeneity":
        return (matrices / (1 + difference.square())).sum(dim=(-1, -2))
    if name == "energy":
        return matrices.square().sum(dim=(-1, -2)).sqrt()
    # As the matrices are symmetric, both levels of a pair have the same mean and variance.
    marginal = matrices.sum(-1)
    centred = levels - (marginal * levels).sum(-1, keepdim=True)
    variance = (marginal * centred.square()).sum(-1)
    covariance = (matrices * centred[..., :, None] * centred[..., None, :]).sum(dim=(-1, -2))
    # In a window of a single level, the pixels of a pair are as alike as can be.
    constant = marginal.amax(-1) == 1
    return torch.where(constant, 1, covariance / torch.where(constant, 1, variance))


def _robust_deviations(values: Tensor) -> Tensor:
    distances = (values - values.median()).abs()
    return distances / (NORMAL * distances.median() + LEAST_DEVIATION)


def _pieces(size: int, starts: list[int], length: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a side wherever a window of this length starts or ends.

    Returns:
        (size,) the piece that each pixel lies in; (n,) the first piece of each window, and the one after its last.
    """
    cuts = sorted({cut for start in starts for cut in (start, start + length) if 0 < cut < size})
    places = torch.bucketize(torch.arange(size, device=device), torch.tensor(cuts, device=device), right=True)
    ends = torch.cat([places, places[-1:] + 1])
    begins = torch.tensor(starts, device=device)
    return places, places[begins], ends[begins + length]


def _read_along(values: Tensor, centres: Tensor, size: int) -> Tensor:
    """Rows with these centres (ascending), read at the centres of pixels; constant beyond the outermost."""
    pixels = torch.arange(size, device=values.device, dtype=torch.float64) + 0.5
    above = torch.searchsorted(centres, pixels).clamp(min=min(1, len(centres) - 1), max=len(centres) - 1)
    below = (above - 1).clamp(min=0)
    gap = (centres[above] - centres[below]).clamp(min=1e-9)
    share = ((pixels - centres[below]) / gap).clamp(0, 1).float()[:, None]
    return values[below] * (1 - share) + values[above] * share
