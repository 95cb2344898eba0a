"""The network, the loss and the score of CFA (Lee et al. 2022, see `firstsight.detectors.cfa`)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from firstsight.detectors.normal_images import attend, aware_cells
from firstsight.detectors.pfam import Pfam
from firstsight.storage.geometry import Geometry

NEAREST = 3
"""K and J of the paper: cells are drawn to the centres of their K nearest hyperspheres and pushed from the next J."""

MARGIN = 0.1
"""Alpha of the paper: squared distance by which hyperspheres of other centres may overlap."""

SOFTNESS = 1e-3
"""Nu of the paper: the loss weighs what lies outside by 1 / nu."""

_FIRST_RADIUS = 1e-5


class CfaNetwork(nn.Module):
    """The patch descriptor: features of all layers, averaged over 3 x 3 cells and joined, through a 1 x 1 CoordConv.

    Args:
        channels: C of the joined features.
        descriptor: D, the channels of the descriptors.
        pfam: through which the features pass first; it is trained with the rest.
        generator: of the weights at the start, uniform within 1 / sqrt(C + 2).

    Attributes:
        radius: r of all hyperspheres, learned.
    """

    def __init__(self, channels: int, descriptor: int, pfam: Pfam | None, generator: torch.Generator) -> None:
        super().__init__()
        self.pfam: Pfam | None = pfam
        bound = (channels + 2) ** -0.5
        weight = torch.empty(descriptor, channels + 2).uniform_(-bound, bound, generator=generator)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.empty(descriptor).uniform_(-bound, bound, generator=generator))
        self.radius = nn.Parameter(torch.tensor(_FIRST_RADIUS))

    def forward(
        self, features: Mapping[str, Tensor], places: Mapping[str, Geometry], picked: Tensor | None = None
    ) -> Tensor:
        """Descriptors of the cells of one image: (n, D).

        Args:
            features: (C_l, h_l, w_l) of each layer.
            places: how each layer lies on the image.
            picked: (n,) cells of the finest grid, row by row; None: all of them.
        """
        cells = with_coordinates(aware_cells(attend(features, self.pfam), places)).flatten(1).T
        chosen = cells if picked is None else cells[picked]
        return nn.functional.linear(chosen, self.weight, self.bias)


def with_coordinates(values: Tensor) -> Tensor:
    """(C, h, w) to (C + 2, h, w): adds the row and the column of each cell, from -1 to 1 (0 if there is only one)."""
    rows, columns = (
        torch.linspace(-1, 1, size, device=values.device) if size > 1 else torch.zeros(1, device=values.device)
        for size in values.shape[1:]
    )
    grid = torch.meshgrid(rows, columns, indexing="ij")
    return torch.cat([values, torch.stack(grid)])


def nearest_squares(cells: Tensor, centres: Tensor, count: int) -> Tensor:
    """Squared distances of each cell (n, D) to its nearest centres (M, D), smallest first: (n, count or M).

    Gradients reach the cells.
    """
    with torch.no_grad():
        products = torch.addmm(centres.square().sum(dim=1), cells, centres.T, alpha=-2)
        nearest = products.topk(min(count, len(centres)), dim=1, largest=False).indices
    # Written out, since expanding the square would lose small distances to rounding.
    return (cells[:, None] - centres[nearest]).square().sum(dim=2)


def cfa_loss(cells: Tensor, centres: Tensor, radius: Tensor) -> Tensor:
    """The paper's loss L_att + L_rep for a soft boundary of coupled hyperspheres, a number.

    A cell outside its K nearest hyperspheres is drawn in; a cell that lies inside the next J ones (its hard negatives)
    or within a margin of them is pushed out.

    Args:
        cells: (n, D) descriptors.
        centres: (M, D) of the hyperspheres. With fewer than K + J, some or all of the negatives are left out.
        radius: of all hyperspheres.
    """
    squares = nearest_squares(cells, centres, 2 * NEAREST)
    attraction = (squares[:, :NEAREST] - radius**2).relu().mean()
    negatives = squares[:, NEAREST:]
    if negatives.shape[1] == 0:
        return attraction / SOFTNESS
    repulsion = (radius**2 - negatives - MARGIN).relu().mean()
    return (attraction + repulsion) / SOFTNESS


def cfa_score(cells: Tensor, centres: Tensor) -> Tensor:
    """Distance to the nearest centre, times its soft-min weight among the K nearest, as in the paper: (n,).

    The more certain it is which hypersphere a cell belongs to, the more its distance counts.
    """
    distances = nearest_squares(cells, centres, NEAREST).sqrt()
    return torch.softmax(-distances, dim=1)[:, 0] * distances[:, 0]
