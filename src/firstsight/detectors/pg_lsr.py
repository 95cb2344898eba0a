"""Prior-guided least-squares regression: every patch is rebuilt from all patches, most freely where it looks odd."""

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.image_input import (
    PatchedImageSettings,
    extract_patches,
    merge_patches,
    read_grey,
    resize,
)
from firstsight.detectors.windows import mirrored, smooth
from firstsight.settings_model import Count, Positive, Seed, Share
from firstsight.storage.geometry import Geometry

# Maximum response filters: standard deviations along and across of the three scales, times filter_scale.
SCALES = ((3.0, 1.0), (6.0, 2.0), (12.0, 4.0))
ORIENTATIONS = 6
ROUND_SIGMA = 10.0
# Points along each side of a pixel at which a filter is read: the finest is narrower than a pixel.
POINTS = 9

# Patches of 16 pixels at every eighth pixel of a 160 x 160 image, for which the authors give their regularisation.
PATCHES = 19 * 19


class PgLsrSettings(PatchedImageSettings):
    """Settings of `detect`, which explains them."""

    image_size: Count | None = 160
    """Pixels of the shorter side to which a larger image is reduced; null: the image's own."""
    regularisation: Positive = 0.75
    """Weight of the regression's prior."""
    filter_scale: Annotated[float, Field(ge=0.1, le=1)] = 0.25
    """Size of the filters as a share of the published ones."""
    template_groups: Count = 7
    """Groups of patches of which the template of a normal patch is chosen."""
    template_share: Share = 0.07
    """Of all patches, the share in each of these groups."""
    sigma: Positive = 2.0
    """Deviation of the blur, pixels of the reduced image."""
    seed: Seed = 0
    """Of everything random."""


def detect(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: PgLsrSettings) -> Tensor:
    """What remains of the texture features of a patch when all patches of the image have explained it.

    Overlapping patches of the reduced grey image are described by their mean responses to the eight maximum response
    filters, a template of a normal patch is found by random sampling, and patches unlike it are allowed larger errors
    in the least-squares regression (`template`, `guided_residuals`). A patch's score is the squared length of its
    error; a pixel's score is the mean over the patches that hold it, blurred.

    Source: J. Cao, J. Zhang, Z. Wen, N. Wang and X. Liu, Fabric defect inspection using prior knowledge guided least
    squares regression, Multimedia Tools and Applications 2017, and the authors' program, whose values are the
    defaults. Differences:

    - The regression is solved in closed form and not by an augmented Lagrangian of up to 1000 steps.
    - Its weight counts for the number of patches of a 160 x 160 image whatever the number here is; otherwise the errors
      of all patches would shrink as an image has more of them.
    - The shorter side is reduced to 160 pixels, not the width, and nothing is enlarged.
    - Filters and blur mirror the image at its frame, and a pixel's score is the mean over its patches, not the sum,
      which is smaller at the frame.
    - No map is scaled to [0, 1].

    Args:
        features: {"image": (3, H, W) RGB in [0, 1], NaN where a pixel is missing}.
        places: not needed, since the map lies on the image.
        settings:
            image_size: pixels of the shorter side to which a larger image is reduced.
            patch_size: pixels along each side of a patch.
            step: pixels from one patch to the next.
            regularisation: weight of the errors against that of the coefficients.
            filter_scale: size of the filters, 0.1 to 1; 1 is Varma and Zisserman's (deviations of 1 to 12 pixels).
            template_groups, template_share, seed: as in `template`.
            sigma: deviation of the blur, pixels of the reduced image.

    Returns:
        (H, W) float32, not negative.

    Raises:
        FirstsightError: the image is smaller than a patch.
    """
    grey = read_grey(features, settings.image_size)
    responses = maximum_responses(grey, settings.filter_scale)
    patches = extract_patches(responses, settings.patch_size, settings.step).mean(dim=(-1, -2))
    rows, columns = patches.shape[:2]
    described = patches.flatten(0, 1).T
    normal = template(described, settings.template_groups, settings.template_share, settings.seed)
    weights = (-(described - normal[:, None]).square().sum(0)).exp()
    strength = settings.regularisation * PATCHES / described.shape[1]
    scores = guided_residuals(described, weights, strength).square().sum(0).view(rows, columns, 1, 1)
    spread = scores.expand(-1, -1, settings.patch_size, settings.patch_size)
    scores = merge_patches(spread, (grey.shape[0], grey.shape[1]), settings.step).float()
    smoothed = smooth(scores, settings.sigma, reach=math.ceil(4 * settings.sigma))
    return resize(smoothed, (features["image"].shape[1], features["image"].shape[2]))


def guided_residuals(described: Tensor, weights: Tensor, regularisation: float) -> Tensor:
    """Errors E of X = X Z + E with the smallest |Z|^2 + regularisation |E diag(weights)|^2 (Frobenius norms).

    The columns do not depend on one another. Setting the derivative to zero gives, for column i with c = regularisation
    x weights_i^2, z_i = c (I + c X^T X)^-1 X^T x_i, and by the push-through identity e_i = (I + c X X^T)^-1 x_i: one
    eigenvalue decomposition of the small matrix X X^T solves them all.

    Args:
        described: X, (D, N).
        weights: (N,), from 0 (any error is free) to 1.
        regularisation: positive.

    Returns:
        (D, N) float64.
    """
    described = described.double()
    values, vectors = torch.linalg.eigh(described @ described.T)
    penalties = regularisation * weights.double().square()
    return vectors @ (vectors.T @ described / (1 + values.clamp(min=0)[:, None] * penalties))


def template(described: Tensor, groups: int, share: float, seed: int) -> Tensor:
    """Features of a normal patch: of the means of random groups of patches, the one nearest to the mean of the groups.

    Anomalies are few, so that most groups hold hardly any.

    Args:
        described: (D, N).
        groups: how many groups are drawn.
        share: patches in a group (drawn with replacement), as a share of N; at least one.
        seed: of the draw.

    Returns:
        (D,).
    """
    count = described.shape[1]
    drawn = np.random.default_rng(seed).integers(count, size=(groups, max(1, int(share * count))))
    means = described[:, torch.from_numpy(drawn).to(described.device)].mean(-1)
    return means[:, (means - means.mean(1, keepdim=True)).square().sum(0).argmin()]


def maximum_responses(grey: Tensor, filter_scale: float) -> Tensor:
    """Responses to the eight maximum response filters (MR8).

    At three scales, an edge filter (first derivative of an elongated Gaussian) and a bar filter (second derivative),
    each in six orientations, of which the largest response counts (of the edge filter, the largest magnitude); a
    Gaussian and its Laplacian. The image is first given mean 0 and variance 1.

    Source: M. Varma and A. Zisserman, A statistical approach to texture classification from single images, IJCV 2005,
    with the reading of PG-LSR's program (bars keep their sign).

    Args:
        grey: (h, w), finite.
        filter_scale: factor of the filters' deviations, which are 1 to 12 pixels.

    Returns:
        (8, h, w) float64: Gaussian, Laplacian, three edges, three bars.
    """
    image = grey.double() - grey.double().mean()
    deviation = image.square().mean().sqrt()
    # A constant image has no texture, only rounding errors.
    image = image / deviation if deviation > 1e-6 else torch.zeros_like(image)
    kernels = _filters(filter_scale).to(image)
    margin = kernels.shape[-1] // 2
    rows = mirrored(grey.shape[0], margin, margin, grey.device)
    columns = mirrored(grey.shape[1], margin, margin, grey.device)
    responses = functional.conv2d(image[rows][:, columns][None, None], kernels[:, None])[0]
    round_ones, oriented = responses[:2], responses[2:].view(2, len(SCALES), ORIENTATIONS, *grey.shape)
    return torch.cat([round_ones, oriented[0].abs().amax(1), oriented[1].amax(1)])


# Kept, since all images of a job have the same; nobody may change what it returns.
@lru_cache(maxsize=8)
def _filters(scale: float) -> Tensor:
    """(2 + 2 x 3 x 6, n, n): Gaussian, Laplacian, edges and bars (scale by orientation); magnitudes sum to 1."""
    radius = math.ceil(3 * scale * max(ROUND_SIGMA, SCALES[-1][0]))
    fine = (torch.arange((2 * radius + 1) * POINTS, dtype=torch.float64) + 0.5) / POINTS - radius - 0.5
    y, x = torch.meshgrid(fine, fine, indexing="ij")
    sigma = scale * ROUND_SIGMA
    squared = (x.square() + y.square()) / sigma**2
    edges, bars = [], []
    for along, across in SCALES:
        for orientation in range(ORIENTATIONS):
            angle = math.pi * orientation / ORIENTATIONS
            u, v = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
            u, v = u / (scale * along), v / (scale * across)
            bell = (-(u.square() + v.square()) / 2).exp()
            edges.append(-v * bell)
            bars.append((v.square() - 1) * bell)
    kernels = torch.stack([(-squared / 2).exp(), (squared - 2) * (-squared / 2).exp(), *edges, *bars])
    kernels = functional.avg_pool2d(kernels[None], POINTS)[0]
    kernels[1:] -= kernels[1:].mean(dim=(1, 2), keepdim=True)
    return kernels / kernels.abs().sum(dim=(1, 2), keepdim=True)
