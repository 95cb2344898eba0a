"""Distance to the most similar cells of the same image ("Zero-Shot Versus Many-Shot", Aota et al., WACV 2023)."""

import torch

from firstsight.detectors.windows import Features, blur, check_features
from firstsight.errors import FirstsightError

# How many distances are held at a time: 64 MiB.
DISTANCES = 2**24


def aota(
    features: Features,
    *,
    patch_size: int = 3,
    sigma: float = 100.0,
    neighbours: int = 400,
) -> torch.Tensor:
    """Mean squared distance of every cell's local mean from the nearest local means of the same image.

    The paper enlarges the map to 320 x 320 pixels and blurs it there; here it keeps the grid of the features.

    Args:
        features: (C, H, W), finite; a tensor or an array.
        patch_size: T, odd, at most H and W: side of the window of the local mean, reflected at the border.
        sigma: deviation, in cells, of the weights in that window; the paper's 100 makes them all but equal.
        neighbours: how many of the nearest cells count (the cell itself, at distance 0, is one of them); all cells
            where there are fewer.

    Returns:
        (H, W) float32, on the device of the features.
    """
    checked = check_features(features, patch_size)
    if neighbours < 1:
        raise FirstsightError(f"neighbours is {neighbours}, but must be positive")
    means = blur(checked, patch_size, sigma).flatten(1).T
    return _nearest_distances(means, min(neighbours, len(means))).view(checked.shape[1:])


def _nearest_distances(points: torch.Tensor, count: int) -> torch.Tensor:
    """(N,): mean of the `count` smallest squared distances from each point of (N, C) to all points."""
    # Distances do not change with the origin; near the middle of the points they lose the least to rounding.
    points = points - points.mean(0)
    squares = points.square().sum(1)
    result = torch.empty_like(squares)
    step = max(1, DISTANCES // len(points))
    for start in range(0, len(points), step):
        part = slice(start, start + step)
        distances = torch.addmm(squares, points[part], points.T, alpha=-2).add_(squares[part, None]).clamp_(min=0)
        result[part] = distances.topk(count, dim=1, largest=False, sorted=False).values.mean(1)
    return result
