"""Where the cells of a network lie on the image and how far they see, measured by gradients instead of derived."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

Network = Callable[[Tensor], dict[str, Tensor]]

_SIDE_IN_CELLS = 8
_WIDEST = 1024
_EQUAL = 1e-4
_LARGEST_MULTIPLE = 12


class Probe(NamedTuple):
    """A layer that is measured.

    Attributes:
        network: from images (B, 3, H, W) in [0, 1] to maps by layer, differentiable.
        layer: its name.
        stride: of the layer, pixels.
        multiple: sides of images are multiples of so many pixels, which the stride divides.
        height: of the strips that are looked at, pixels: a multiple that the network takes.
    """

    network: Network
    layer: str
    stride: int
    multiple: int
    height: int


def measure_stride(maps: Mapping[int, Tensor]) -> int | None:
    """The distance of neighbouring cells in pixels, or None if it is not the same whole number for all sides.

    Args:
        maps: by the side of a square image, which a whole number of cells should fill, the map (B, C, h, w).
    """
    strides = {side / cells for side, values in maps.items() for cells in values.shape[2:]}
    stride = strides.pop()
    return None if strides or stride != int(stride) else int(stride)


def measure_offset(probe: Probe, *, spread: bool) -> float:
    """The centre of cell 0 in pixels: where the pixels lie, on average, to which cells answer.

    For each of the four cells in the middle of an image (each time another texture, and other random signs of the
    channels) the centre of gravity of the absolute gradients along each axis, less the strides to the cell, is an
    offset; these are averaged.

    Args:
        probe: what is measured.
        spread: whether a cell depends on the whole image. Then the median of the gradients along an axis is what the
            cell gets from everywhere, and is taken off.
    """
    side = max(_SIDE_IN_CELLS * probe.multiple, probe.height)
    middle = side // probe.stride // 2
    cells = [(row, column) for row in (middle - 1, middle) for column in (middle - 1, middle)]
    offsets = []
    for gradient, cell in zip(_gradients(probe, (side, side), cells), cells, strict=True):
        for axis, index in enumerate(cell):
            profile = gradient.sum(dim=1 - axis)
            if spread:
                profile = (profile - profile.median()).clamp(min=0)
            centre = (profile * torch.arange(side)).sum() / profile.sum()
            offsets.append(float(centre) - probe.stride * index)
    return sum(offsets) / len(offsets)


def measure_reach(probe: Probe) -> int | None:
    """How far a cell depends on the image, in pixels from the middle of its block of the stride; None: on all of it.

    Beyond the reach gradients are exactly zero. One stride is added, since some paths may be cut by activations that
    happen to be zero. Maps of a piece of an image must then equal those of the whole image, or else cells do not depend
    on their surroundings alone (windows of attention, embedded positions), and the reach is None, too.
    """
    width = max(_SIDE_IN_CELLS * probe.multiple, probe.height)
    while width <= _WIDEST:
        middle = width // probe.stride // 2
        cells = [(probe.height // probe.stride // 2, middle)] * 2
        columns = _gradients(probe, (probe.height, width), cells).sum(dim=(0, 1)).nonzero().flatten()
        first, last = int(columns[0]), int(columns[-1])
        if first > 0 and last < width - 1:
            centre = probe.stride * middle + (probe.stride - 1) / 2
            reach = int(max(centre - first, last - centre)) + 1 + probe.stride
            return reach if _is_local(probe, reach) else None
        width *= 2
    return None


def measure_smallest_side(network: Network, multiple: int) -> int | None:
    """The shortest side of square images that a network takes which extends them to a multiple by reflection.

    None: it does not take even the largest that is tried, a dozen times the multiple.
    """
    for count in range(1, _LARGEST_MULTIPLE + 1):
        # Fewer pixels are added than an image has.
        side = multiple // 2 + 1 if count == 1 else (count - 1) * multiple + 1
        try:
            with torch.inference_mode():
                network(torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0)))
        except (RuntimeError, AssertionError):
            continue
        return side
    return None


def _is_local(probe: Probe, reach: int) -> bool:
    """Whether maps of a piece of a strip equal those of the whole strip, but for the margin that its border reaches."""
    margin = -(-reach // probe.multiple) * probe.multiple
    image = _textures(1, (probe.height, 2 * margin + 5 * probe.multiple))
    with torch.inference_mode():
        whole = probe.network(image)[probe.layer]
        # An odd number of multiples, so that windows of several cells lie elsewhere in the piece.
        piece = probe.network(image[..., probe.multiple :].contiguous())[probe.layer]
    kept = whole[..., (probe.multiple + margin) // probe.stride :]
    difference = (piece[..., margin // probe.stride :] - kept).abs().max()
    return bool(difference <= _EQUAL * whole.abs().max())


def _gradients(probe: Probe, size: tuple[int, int], cells: list[tuple[int, int]]) -> Tensor:
    """For each cell (row, column) the absolute gradient (H, W) of its channels, with random signs, on a texture."""
    images = _textures(len(cells), size).requires_grad_()
    maps = probe.network(images)[probe.layer]
    generator = torch.Generator().manual_seed(1)
    total = torch.zeros(())
    for values, (row, column) in zip(maps, cells, strict=True):
        signs = torch.randint(2, (len(values),), generator=generator) * 2 - 1
        total = total + (values[:, row, column] * signs).sum()
    (gradients,) = torch.autograd.grad(total, images)
    return gradients.abs().sum(dim=1)


def _textures(number: int, size: tuple[int, int]) -> Tensor:
    """Grey values (number, 3, H, W) in [0, 1]: coarse noise under fine noise."""
    generator = torch.Generator().manual_seed(0)
    height, width = size
    fine = torch.rand(number, 3, height, width, generator=generator)
    coarse = torch.rand(number, 3, height // 4 + 1, width // 4 + 1, generator=generator)
    enlarged = coarse.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)[:, :, :height, :width]
    return (fine + enlarged) / 2
