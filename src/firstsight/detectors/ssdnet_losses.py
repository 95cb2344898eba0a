"""Equations 2 and 3 of SSDnet: the loss of its network, and how anomalous a pixel is.

Every term begins as a map with a value for each pixel, such as the squared error. A patch has the mean of its pixels;
there is a patch of every size at every pixel where it fits.
"""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Aggregate = Literal["max", "min"]


def squared_error(images: Tensor, outputs: Tensor) -> Tensor:
    """Two batches (B, 3, H, W) to (B, H, W): the squared error of every pixel, averaged over the colours."""
    return (images - outputs).square().mean(dim=1)


def inner_product(features: Tensor, output_features: Tensor, size: tuple[int, int], stride: int | None) -> Tensor:
    """The perceptual similarity of every pixel: the inner product of its features, averaged over the channels.

    Args:
        features, output_features: (B, C, h, w).
        size: height and width of the image.
        stride: pixels, where there is a cell for every complete block of stride x stride pixels; None, where the cells
            are at least as many as the pixels and share the image out evenly.

    Returns:
        (B, height, width); a pixel has the value of its block, or of the block before an incomplete one; or the mean of
        its cells.
    """
    products = (features * output_features).mean(dim=1)
    if stride is None:
        return functional.adaptive_avg_pool2d(products, size)
    for dimension, length in zip((1, 2), size, strict=True):
        blocks = torch.arange(length, device=products.device) // stride
        products = products.index_select(dimension, blocks.clamp(max=products.shape[dimension] - 1))
    return products


def patch_means(values: Tensor, known: Tensor, patch_size: int) -> tuple[Tensor, Tensor]:
    """Mean of the known pixels of every patch.

    Args:
        values: (B, H, W), finite.
        known: (B, H, W), bool.
        patch_size: m_r, at most H and W.

    Returns:
        (B, H - m_r + 1, W - m_r + 1) means, 0 for a patch without a known pixel; and whether a patch has any.
    """
    total = _window_sums(torch.where(known, values, 0), patch_size)
    count = _window_sums(known.to(values), patch_size)
    return total / count.clamp(min=1), count > 0.5


def mean_of_patches(values: Tensor, known: Tensor, patch_size: int) -> tuple[Tensor, Tensor]:
    """For a map (H, W): the mean of the patches that hold a pixel, and whether there is one with a known pixel."""
    means, held = patch_means(values[None], known[None], patch_size)
    beyond = [patch_size - 1] * 4
    total = _window_sums(functional.pad(means, beyond), patch_size)[0]
    count = _window_sums(functional.pad(held.to(values), beyond), patch_size)[0]
    return total / count.clamp(min=1), count > 0.5


def training_loss(
    error: Tensor | None,
    similarity: Tensor | None,
    known: Tensor,
    *,
    w_rec: float,
    w_perc: float,
    patch_sizes: Sequence[int],
    aggregate: Aggregate,
) -> Tensor:
    """Equation 2 without R(theta), which is the network itself.

    It is w_rec times the reconstruction error minus w_perc times the perceptual similarity, averaged over the patches
    of a size; of several patch sizes, the largest or the smallest mean counts.

    Args:
        error: (B, H, W) of `squared_error`; None where w_rec is 0.
        similarity: (B, H, W) of `inner_product`; None where w_perc is 0.
        known: (B, H, W), bool; without a known pixel the loss is 0.

    Returns:
        A number, with gradients.
    """
    values = torch.zeros_like(known, dtype=torch.float32)
    if error is not None:
        values = values + w_rec * error
    if similarity is not None:
        values = values - w_perc * similarity
    losses = []
    for patch_size in patch_sizes:
        means, held = patch_means(values, known, patch_size)
        losses.append(means.sum() / held.sum().clamp(min=1))
    return aggregated(torch.stack(losses), aggregate)


def anomaly_scores(
    error: Tensor,
    similarity: Tensor | None,
    known: Tensor,
    *,
    alpha_perc: float,
    patch_sizes: Sequence[int],
    aggregate: Aggregate,
    min_max: bool,
) -> Tensor:
    """Equation 3 for one image: a pixel's score is the mean over the patches that hold the pixel.

    The score is (1 - alpha_perc) times the reconstruction error minus alpha_perc times the perceptual similarity, for
    every patch size; of several sizes, the largest or the smallest score counts at every pixel. The paper divides by
    the number of all patches, which scales the map and makes it fade towards the frame; here the sum is divided by the
    number of patches that hold the pixel. Missing pixels count in no patch, and patches without a known pixel do not
    count.

    Args:
        error: (H, W) of `squared_error`.
        similarity: (H, W) of `inner_product`; None where alpha_perc is 0.
        known: (H, W), bool, True at least once. A pixel that no patch with a known pixel holds has the lowest score.
        min_max: scale each term and patch size to [0, 1] before they are combined, as the paper does; the maps of two
            images cannot be compared then.

    Returns:
        (H, W) float32; in squared grey values if alpha_perc is 0 and nothing is scaled.
    """
    scores = []
    for patch_size in patch_sizes:
        score = torch.zeros_like(error)
        held = torch.ones_like(known)
        for term, weight in ((error, 1 - alpha_perc), (similarity, -alpha_perc)):
            if term is not None and weight:
                values, held = mean_of_patches(term, known, patch_size)
                score += weight * (_to_unit_range(values, held) if min_max else values)
        scores.append(torch.where(held, score, score[held].min()))
    return aggregated(torch.stack(scores), aggregate)


def _window_sums(values: Tensor, size: int) -> Tensor:
    """(B, H, W) to the sums over size x size windows, (B, H - size + 1, W - size + 1)."""
    ones = torch.ones(size).to(values)
    rows = functional.conv2d(values[:, None], ones.view(1, 1, size, 1))
    return functional.conv2d(rows, ones.view(1, 1, 1, size))[:, 0]


def _to_unit_range(values: Tensor, held: Tensor) -> Tensor:
    low, high = torch.aminmax(values[held])
    return (values - low) / torch.where(high > low, high - low, 1)


def aggregated(values: Tensor, aggregate: Aggregate) -> Tensor:
    """Lambda of both equations, over the first dimension."""
    return values.amax(dim=0) if aggregate == "max" else values.amin(dim=0)
