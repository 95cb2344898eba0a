"""Distance to the most similar cells of the same image ("Zero-Shot Versus Many-Shot", Aota et al., WACV 2023)."""

import torch
from torch.nn import functional

from firstsight.detectors.windows import Features, blur, check_features
from firstsight.errors import FirstsightError

# Distances held at a time, in values: 64 MiB.
DISTANCES = 2**24


def aota(
    features: Features,
    *,
    patch_size: int = 3,
    sigma: float = 100.0,
    neighbours: int = 400,
    size: tuple[int, int] | None = None,
    blur_size: int = 25,
    blur_sigma: float = 4.0,
) -> torch.Tensor:
    """Mean squared distance of every cell's local mean from the nearest local means of the same image.

    Args:
        features: (C, H, W), finite; a tensor or an array.
        patch_size: T, odd, at most H and W: the window of the local mean, reflected at the border.
        sigma: deviation, in cells, of the weights in that window; the paper's 100 makes them all but equal.
        neighbours: how many nearest cells count (the cell itself, at distance 0, is one of them); in a map of fewer
            cells, all of them.
        size: height and width, in pixels, to which the map is enlarged (bilinear), to be blurred there; 320 x 320
            in the paper. None: the map stays as it is, one value a cell.
        blur_size: pixels along each side of the Gaussian blur of the enlarged map, odd.
        blur_sigma: its deviation in pixels.

    Returns:
        (H, W), or the size asked for, float32, on the device of the features.
    """
    checked = check_features(features, patch_size)
    if neighbours < 1:
        raise FirstsightError(f"neighbours is {neighbours}, but must be positive")
    if size is not None and min(size) <= blur_size // 2:
        raise FirstsightError(f"size is {size[0]} x {size[1]}, but the blur of {blur_size} pixels needs more")
    if blur_size < 1 or blur_size % 2 == 0:
        raise FirstsightError(f"blur_size is {blur_size}, but must be odd and positive")
    means = blur(checked, patch_size, sigma).flatten(1).T
    distances = _nearest_distances(means, min(neighbours, len(means))).view(checked.shape[1:])
    if size is None:
        return distances
    enlarged = functional.interpolate(distances[None, None], size=size, mode="bilinear", align_corners=False)
    return blur(enlarged[0], blur_size, blur_sigma)[0]


def _nearest_distances(points: torch.Tensor, count: int) -> torch.Tensor:
    """(N,): mean of the `count` smallest squared distances from each of the points (N, C) to all of them."""
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
