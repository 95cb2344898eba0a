"""Robust principal component analysis: the patches of a texture are of low rank, their anomalies are sparse."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from firstsight.detectors.image_input import (
    PatchedImageSettings,
    extract_patches,
    merge_patches,
    read_grey,
    resize,
)
from firstsight.detectors.windows import smooth
from firstsight.settings_model import Count, Positive
from firstsight.storage.geometry import Geometry

# Factor by which the penalty grows in every iteration, and its first value in units of 1 / (largest singular value):
# those of Lin et al.'s program.
PENALTY_GROWTH = 1.5
PENALTY_START = 1.25


class RpcaSettings(PatchedImageSettings):
    """Settings of `detect`, which explains them."""

    image_size: Count | None = 256
    """Pixels of the shorter side to which a larger image is reduced; null: the image's own."""
    sparsity: Positive = 1.0
    """lambda of the decomposition, in units of 1 / sqrt(larger side of the matrix)."""
    sigma: Positive = 2.0
    """Deviation of the blur, pixels of the reduced image."""
    tolerance: Positive = 1e-7
    """Relative error at which the decomposition ends."""
    iterations: Count = 100
    """Steps of the decomposition, at most."""


def detect(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: RpcaSettings) -> Tensor:
    """Blurred absolute sparse part of an image's patches.

    The matrix has one column for each of the overlapping patches of the grey image: a texture repeats itself from patch
    to patch, while the image as a matrix is of low rank only where its pattern runs along rows and columns. The sparse
    parts of the patches that hold a pixel are averaged there; their absolute value is blurred.

    Source: E. J. Candes, X. Li, Y. Ma and J. Wright, Robust principal component analysis?, Journal of the ACM 2011, in
    patches as the SSDnet paper (Moradi et al. 2025, section 2.2) says; neither states sizes.

    Args:
        features: {"image": (3, H, W) RGB in [0, 1], NaN where a pixel is missing}.
        places: not needed, since the map lies on the image.
        settings:
            image_size: pixels of the shorter side to which a larger image is reduced.
            patch_size: pixels along each side of a patch.
            step: pixels from one patch to the next.
            sparsity: lambda of the decomposition, in units of Candes et al.'s 1 / sqrt(larger side of the matrix).
            sigma: deviation of the blur, pixels of the reduced image.
            tolerance, iterations: as in `robust_pca`.

    Returns:
        (H, W) float32, not negative: grey levels of an image in [0, 1].
    """
    grey = read_grey(features, settings.image_size)
    patches = extract_patches(grey[None], settings.patch_size, settings.step)[:, :, 0]
    matrix = patches.flatten(2).flatten(0, 1).T
    weight = settings.sparsity / math.sqrt(max(matrix.shape))
    _, sparse = robust_pca(matrix, weight, tolerance=settings.tolerance, iterations=settings.iterations)
    height, width = grey.shape
    residual = merge_patches(sparse.T.reshape(patches.shape), (height, width), settings.step).float().abs()
    smoothed = smooth(residual, settings.sigma, reach=math.ceil(4 * settings.sigma))
    return resize(smoothed, (features["image"].shape[1], features["image"].shape[2]))


def robust_pca(
    matrix: Tensor, weight: float, *, tolerance: float = 1e-7, iterations: int = 100
) -> tuple[Tensor, Tensor]:
    """Split a matrix D into a low-rank L and a sparse S: minimal |L|_* + weight |S|_1 with L + S = D.

    Solved by the inexact augmented Lagrangian: Z. Lin, M. Chen and Y. Ma, The augmented Lagrange multiplier method for
    exact recovery of corrupted low-rank matrices, 2010, algorithm 5. Singular values come from the eigenvalues of the
    smaller Gram matrix in double precision, which is exact enough for the thresholds in use and many times faster.

    Args:
        matrix: (m, n), finite.
        weight: of the sparse part; 1 / sqrt(max(m, n)) is Candes et al.'s.
        tolerance: stop where |D - L - S| is at most this share of |D| (Frobenius).
        iterations: stop after this many in any case.

    Returns:
        low-rank and sparse part, (m, n) float64 each.
    """
    data = matrix.double()
    if data.shape[0] > data.shape[1]:
        low_rank, sparse = robust_pca(data.T, weight, tolerance=tolerance, iterations=iterations)
        return low_rank.T, sparse.T
    norm = data.norm()
    low_rank, sparse = torch.zeros_like(data), torch.zeros_like(data)
    if norm == 0:
        return low_rank, sparse
    largest = torch.linalg.eigvalsh(data @ data.T)[-1].sqrt()
    multiplier = data / torch.maximum(largest, data.abs().max() / weight)
    penalty = PENALTY_START / largest
    for _ in range(iterations):
        # Soft thresholds: S = shrink(D - L + Y / mu, weight / mu), then L's singular values by 1 / mu.
        target = data - low_rank + multiplier / penalty
        sparse = target.sign() * (target.abs() - weight / penalty).clamp(min=0)
        low_rank = _shrink_singular_values(data - sparse + multiplier / penalty, 1 / penalty)
        rest = data - low_rank - sparse
        if rest.norm() <= tolerance * norm:
            break
        multiplier = multiplier + penalty * rest
        penalty = penalty * PENALTY_GROWTH
    return low_rank, sparse


def _shrink_singular_values(matrix: Tensor, threshold: Tensor) -> Tensor:
    """Lower the singular values of (m, n), m <= n, by a threshold, those below it to 0."""
    squares, vectors = torch.linalg.eigh(matrix @ matrix.T)
    values = squares.clamp(min=0).sqrt()
    kept = values > threshold
    vectors, values = vectors[:, kept], values[kept]
    return (vectors * (1 - threshold / values)) @ (vectors.T @ matrix)
