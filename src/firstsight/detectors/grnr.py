"""Global-regularized neighbourhood regression (Yao et al., "GRNR", 2024): every cell explained by its neighbours.

Equation 15 asks for the combination of a cell's neighbours S that is nearest to the cell Q and to the K most typical
cells of the image. Up to a constant, its sum of squares is 1 + K eta times the squared distance to a single target

    T = (Q + K eta G) / (1 + K eta),    G the mean of the typical cells,

so the reconstruction is the projection of T on the span of the neighbours, and its weights w solve (S S^T) w = S T,
which is Equation 18. Both sides hold inner products of two cells of a window, or of one cell and G. They are computed
once for every displacement between two cells (13 in a 3 x 3 window) and shared by all windows, instead of once for
every pair of neighbours.
"""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from firstsight.detectors.layers import finest_layer, read_at
from firstsight.detectors.windows import check_features, smooth, window_means
from firstsight.features.texture_scale import WINDOW
from firstsight.settings_model import Count, Layers, NotNegative, OddSize, SettingsModel
from firstsight.storage.geometry import Geometry

RIDGE = 1e-5
"""Share of its trace that is added to the diagonal of S S^T, which is singular where neighbours depend on each other.
It lies well above the rounding of the entries (1e-7 of the trace); even 1e-3 does not show in the metrics."""

# Added for neighbours that are zero, or so near it that their products have lost digits; the largest feature is 1.
LEAST_RIDGE = 1e-30

# Values of one product of features, and of the systems, for the rows computed at a time: 4 MiB and 16 MiB.
PRODUCTS, SYSTEMS = 2**20, 2**21

LARGEST = 1e38
"""Upper limit of products of layers, within float32."""


class GrnrSettings(SettingsModel):
    """Global-regularized neighbourhood regression; the defaults are the paper's, but for patch_size and the step."""

    layers: Layers | None = None
    """Feature layers; null: the extractor's own choice. The paper reads layer2 and layer3 of a Wide-ResNet50-2."""
    patch_size: OddSize = 1
    """Side, in cells, of the windows whose mean features stand for their centre; 1: each cell for itself. The paper's
    patch-level embeddings: 3, as in PatchCore."""
    neighbour_radius: Count = 1
    """m of Equation 1: the (2 m + 1)^2 - 1 cells round a cell explain it."""
    neighbour_step: Count | None = None
    """Cells from one of these to the next; null: chosen by the scale, 1 in windows of 40 pixels. The paper: 1."""
    global_cells: Count = 40
    """K of Equation 3, the number of typical cells; a map of fewer cells takes all of them."""
    eta: NotNegative = 5.0
    """Weight of every typical cell in Equation 15; 0: the cell itself is the only target."""
    sigma: NotNegative = 4.0
    """Deviation of the Gaussian that smooths the fused map, pixels of the extractor's input; 0: none."""


def grnr(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: GrnrSettings) -> Tensor:
    """Anomaly map of one image: the product of its layers' regression errors (Equation 20), smoothed.

    The paper enlarges the errors of every layer to the image, and multiplies and smooths them there. Here the coarser
    layers are read where the cells of the finest lie, and ``sigma`` is divided by the stride of the finest.

    Args:
        features: {layer: (C, h, w)}, finite; no channel is scaled.
        places: how each layer lies on the image.
        settings: see `GrnrSettings`.

    Returns:
        (h, w) of the finest layer, float32, not negative; the product of the layers' squared units. A layer with no
        more channels than a cell has neighbours is warned of: these span everything, and nothing is left to find.

    Raises:
        FirstsightError: features have another shape, or a value is not finite.
    """
    _warn_of_few_channels(features, settings.neighbour_radius)
    finest = finest_layer({layer: places[layer] for layer in features})
    errors = {
        layer: regression_errors(values, settings, settings.neighbour_step or automatic_step(places[layer]))
        for layer, values in features.items()
    }
    fused = errors.pop(finest).clamp(max=LARGEST)
    height, width = fused.shape
    for layer, values in errors.items():
        fused = (fused * read_at(values, (height, width), places[finest], places[layer])).clamp(max=LARGEST)
    return smooth(fused.float(), settings.sigma / places[finest].stride)


def _warn_of_few_channels(features: Mapping[str, Tensor], radius: int) -> None:
    neighbours = (2 * radius + 1) ** 2 - 1
    for layer, values in features.items():
        if len(values) <= neighbours:
            warnings.warn(
                f"grnr: {layer} has {len(values)} channels, so {neighbours} neighbours rebuild any cell of it, and its "
                "map says little: take an extractor with more channels",
                stacklevel=3,
            )


def automatic_step(place: Geometry) -> int:
    """Cells from a neighbour to the next that grow with the scale's window: as often as it holds one of 40 pixels.

    Args:
        place: of the layer; without a ``window`` the step is 1.

    Returns:
        At least 1, and no more than would leave a cell in the middle of the map without neighbours.
    """
    step = round((place.window or WINDOW) / WINDOW)
    shorter_side = min(place.input_height, place.input_width) // place.stride
    return max(1, min(step, int(shorter_side - 1) // 2))


def regression_errors(features: Tensor, settings: GrnrSettings, step: int = 1) -> Tensor:
    """Squared distance of every cell from its reconstruction (Equations 15, 18 and 19).

    With a ``patch_size`` above 1 a cell is the mean over its window, as far as this lies on the map. Neighbours then
    share features with the cell, and a broken texture is told from the typical cells, rather than by its own detail.

    With a step the cells fall into step^2 grids, and neighbours are neighbours within these; the typical cells are
    those of all. So the time does not grow with the step.

    A window that reaches beyond the border has only the neighbours inside. (For m = 1, reflected neighbours would give
    the same: they repeat others, which adds nothing to the span.)

    Args:
        features: (C, H, W), finite.
        settings: their ``neighbour_step`` is not read.
        step: cells from one neighbour to the next.

    Returns:
        (H, W) float64, in squared units of the features.
    """
    checked = check_features(features, 1)
    # So that squaring below neither overflows nor underflows, however large or small the features are.
    scale = max(checked.amax().item(), -checked.amin().item()) or 1.0
    checked = window_means(checked / scale, settings.patch_size)
    typical = typical_cells(checked, settings.global_cells)
    share = 1 - 1 / (1 + typical.shape[1] * settings.eta)
    errors = torch.empty(checked.shape[1:], dtype=torch.float64, device=checked.device)
    for top in range(min(step, checked.shape[1])):
        for left in range(min(step, checked.shape[2])):
            grid = checked[:, top::step, left::step]
            errors[top::step, left::step] = _grid_errors(grid, typical.mean(1), share, settings.neighbour_radius)
    return errors * scale**2


def typical_cells(features: Tensor, count: int) -> Tensor:
    """The cells with the smallest sum of squared distances to all cells (Equation 3); ties in raster order.

    That sum is N times the squared distance from the mean of the N cells, plus a constant: no N x N matrix is needed.

    Args:
        features: (C, H, W).
        count: K; all cells are taken where there are fewer.

    Returns:
        (C, min(K, N)), the most typical first.
    """
    cells = features.flatten(1)
    distances = (cells - cells.mean(1, keepdim=True)).square_().sum(0)
    return cells[:, distances.sort(stable=True).indices[:count]]


def _grid_errors(cells: Tensor, typical: Tensor, share: float, radius: int) -> Tensor:
    """Errors (H, W) of cells (C, H, W), some rows at a time; the target is share * G + (1 - share) * Q."""
    height, width = cells.shape[1:]
    window = (2 * radius + 1) ** 2
    step = max(1, min(PRODUCTS // (len(cells) * width), SYSTEMS // (window**2 * width)))
    # A cell of zeros adds nothing to the span of the others.
    padded = functional.pad(cells, [radius] * 4)
    errors = torch.empty(height, width, dtype=torch.float64, device=cells.device)
    for top in range(0, height, step):
        slab = padded[:, top : top + step + 2 * radius]
        errors[top : top + step] = _slab_errors(slab, typical, share, radius)
    return errors


def _slab_errors(slab: Tensor, typical: Tensor, share: float, radius: int) -> Tensor:
    """Errors (R, W) of the inner cells of a slab (C, R + 2 m, W + 2 m); the target is share * G + (1 - share) * Q."""
    size = 2 * radius + 1
    height, width = slab.shape[1] - 2 * radius, slab.shape[2] - 2 * radius
    places = [(y, x) for y in range(size) for x in range(size)]
    centre = places.pop(len(places) // 2)
    products = _inner_products(slab, size)

    def product(first: tuple[int, int], second: tuple[int, int]) -> Tensor:
        low, high = sorted((first, second))
        return _cut(products[high[0] - low[0], high[1] - low[1]], low, height, width)

    gram = torch.stack([product(first, second) for first in places for second in places], dim=-1)
    gram = gram.double().view(height, width, len(places), len(places))
    likeness = (slab * typical[:, None, None]).sum(0)
    targets = torch.stack(
        [share * _cut(likeness, place, height, width) + (1 - share) * product(place, centre) for place in places], -1
    )
    trace = gram.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
    gram.diagonal(dim1=-2, dim2=-1).add_(RIDGE * trace + LEAST_RIDGE)
    factor = torch.linalg.cholesky_ex(gram).L
    weights = torch.cholesky_solve(targets.double()[..., None], factor)[..., 0].float()
    # Written out, since expanding the square would lose small errors to rounding.
    rest = _cut(slab, centre, height, width).clone()
    for place, weight in zip(places, weights.unbind(-1), strict=True):
        rest.addcmul_(_cut(slab, place, height, width), weight, value=-1)
    return rest.square_().sum(0).double()


def _inner_products(slab: Tensor, size: int) -> dict[tuple[int, int], Tensor]:
    """{(dy, dx): map}: at (y, x) the inner product of the cells (y, x) and (y + dy, x + dx) of a slab (C, h, w).

    The displacements are (0, 0) and all those within a size x size window that lead to a later cell in raster order.
    The product is 0 where the second cell lies outside the slab.
    """
    _, height, width = slab.shape
    products = {}
    for down in range(size):
        for right in range(-size + 1 if down else 0, size):
            left, end = max(0, -right), min(width, width - right)
            first = slab[:, : height - down, left:end]
            second = slab[:, down:, left + right : end + right]
            values = slab.new_zeros(height, width)
            values[: height - down, left:end] = (first * second).sum(0)
            products[down, right] = values
    return products


def _cut(maps: Tensor, corner: tuple[int, int], height: int, width: int) -> Tensor:
    """The part of maps (..., H, W) that begins at a corner: (..., height, width)."""
    return maps[..., corner[0] : corner[0] + height, corner[1] : corner[1] + width]
