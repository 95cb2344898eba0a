"""The geometry of networks whose geometry is known."""

import pytest
import torch
from torch import Tensor, nn

from firstsight.features.timm_geometry import (
    Network,
    Probe,
    measure_offset,
    measure_reach,
    measure_smallest_side,
    measure_stride,
)


def one_layer(*modules: nn.Module) -> Network:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in modules:
            if isinstance(module, nn.Conv2d):
                # All equal, so that what a cell answers to lies around the kernel's middle; the random signs of an odd
                # number of channels do not cancel.
                nn.init.constant_(module.weight, 0.1)
    network = nn.Sequential(*modules).requires_grad_(False)
    return lambda images: {"layer": network(images)}


def probe(network: Network, stride: int) -> Probe:
    return Probe(network, "layer", stride, stride, 8 * stride)


@pytest.mark.parametrize(("kernel", "padding", "offset"), [(3, 1, 0.0), (4, 0, 1.5), (5, 1, 1.0), (4, 1, 0.5)])
def test_the_centre_of_a_kernel_is_the_offset(kernel: int, padding: int, offset: float) -> None:
    network = one_layer(nn.Conv2d(3, 3, kernel, 4, padding))
    assert abs(measure_offset(probe(network, 4), spread=False) - offset) < 0.01


def test_the_reach_of_convolutions_is_the_sum_of_their_kernels() -> None:
    network = one_layer(nn.Conv2d(3, 4, 2, 2), nn.Conv2d(4, 4, 3, 1, 1), nn.Conv2d(4, 4, 3, 1, 1))
    # From the middle of a cell of 2 pixels: half a pixel, and two cells; then one more for certainty.
    assert measure_reach(probe(network, 2)) in (4 + 2, 5 + 2)


def test_what_depends_on_the_whole_image_has_no_reach() -> None:
    convolution = nn.Conv2d(3, 4, 2, 2)

    def network(images: Tensor) -> dict[str, Tensor]:
        maps = convolution(images)
        return {"layer": maps * maps.mean(dim=(2, 3), keepdim=True)}

    assert measure_reach(probe(network, 2)) is None
    assert abs(measure_offset(probe(network, 2), spread=True) - 0.5) < 0.2


def test_what_depends_on_its_place_has_no_reach() -> None:
    convolution = nn.Conv2d(3, 4, 2, 2)

    def network(images: Tensor) -> dict[str, Tensor]:
        maps = convolution(images)
        return {"layer": maps + torch.arange(maps.shape[3])}

    assert measure_reach(probe(network, 2)) is None


def test_a_stride_is_a_whole_number_for_all_sides() -> None:
    assert measure_stride({8: torch.zeros(1, 1, 2, 2), 12: torch.zeros(1, 1, 3, 3)}) == 4
    assert measure_stride({8: torch.zeros(1, 1, 2, 2), 12: torch.zeros(1, 1, 4, 4)}) is None
    assert measure_stride({9: torch.zeros(1, 1, 2, 2)}) is None


def test_the_smallest_side_is_the_first_that_works() -> None:
    def needs(least: int) -> Network:
        def network(images: Tensor) -> dict[str, Tensor]:
            if images.shape[2] < least:
                raise RuntimeError("too small")
            return {}

        return network

    assert measure_smallest_side(needs(1), 8) == 5
    assert measure_smallest_side(needs(20), 8) == 25
    assert measure_smallest_side(needs(1000), 8) is None
