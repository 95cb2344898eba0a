"""Several terms of SSDnet in one score, without weights that someone chose."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.ssdnet_losses import Aggregate, aggregated, mean_of_patches

# A normal distribution's standard deviation, divided by its median and by its mean absolute deviation from the median.
PER_MEDIAN = 1.4826
PER_MEAN = 1.2533
# A deviation is at least this share of its term's median, and at least the square of a quarter of a grey value of 8
# bits: the rounding errors of an image that is rebuilt exactly are no scores.
LEAST_SHARE = 1e-3
LEAST_DEVIATION = 1e-6


def combined_scores(
    terms: Sequence[Tensor], known: Tensor, *, patch_sizes: Sequence[int], aggregate: Aggregate
) -> Tensor:
    """How far a pixel lies above the rest of its image in several terms.

    Every term is averaged over the patches that hold a pixel, as in Equation 3, and measured from its median over the
    image in robust deviations, z. The score is the root of the sum of log(1 + exp(z))^2 over the terms: about z where
    one term is far above its median, more where several are. A term below its median adds next to nothing, so it
    cannot hide what another finds, and no term needs a weight.

    Args:
        terms: (H, W) each, larger where a pixel is more anomalous; in any units.
        known: (H, W), bool, True at least once. A pixel that no patch with a known pixel holds has the lowest score.
        patch_sizes: pixels, at most H and W; of several sizes, the largest or the smallest score counts.

    Returns:
        (H, W) float32, not negative, in robust deviations; log(2) times the root of the number of terms where all
        pixels are the same.
    """
    scores = []
    for patch_size in patch_sizes:
        squares = torch.zeros_like(terms[0])
        held = torch.ones_like(known)
        for term in terms:
            values, held = mean_of_patches(term, known, patch_size)
            squares += functional.softplus(_robust_deviations(values, held)).square()
        scores.append(torch.where(held, squares, squares[held].min()).sqrt())
    return aggregated(torch.stack(scores), aggregate)


def _robust_deviations(values: Tensor, held: Tensor) -> Tensor:
    """Of all values, from the median of the held ones; by the mean distance where half of them are the same."""
    median = values[held].median()
    distances = (values[held] - median).abs()
    least = (LEAST_SHARE * median.abs()).clamp(min=LEAST_DEVIATION)
    deviation = PER_MEDIAN * distances.median()
    if deviation <= least:
        deviation = PER_MEAN * distances.mean()
    return (values - median) / deviation.maximum(least)
