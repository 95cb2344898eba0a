import numpy as np
import pytest
import torch
import torch.nn.functional as F

from firstsight.features import load_extractor
from firstsight.features.random_kernels import random_kernels, random_projections
from oracles import random_kernels as oracle


@pytest.mark.parametrize("border", ["reflect", "paper"])
@pytest.mark.parametrize(("size", "shape"), [(5, (3, 3)), (5, (4, 9)), (7, (8, 4))])
def test_equals_the_pixel_by_pixel_oracle(border: str, size: int, shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((3, *shape))
    kernels = random_kernels(size)[:20]
    found = random_projections(torch.from_numpy(image).float()[None], kernels, border=border)[0]
    assert found.shape == (20, *shape)
    np.testing.assert_allclose(found, oracle.projections(image, kernels.double().numpy(), border), atol=1e-5)


@pytest.mark.parametrize(("layer", "size"), [("random5", 5), ("random7", 7)])
def test_the_layers_are_projections(layer: str, size: int) -> None:
    images = torch.rand(2, 3, 12, 15, generator=torch.Generator().manual_seed(1))
    features = load_extractor("random_kernels", layers=[layer])(images)[layer]
    assert features.shape == (2, 128, 12, 15)
    assert torch.equal(features, random_projections(images, random_kernels(size)))
    both = load_extractor("random_kernels", layers=["random5", "random7"])(images)
    assert torch.equal(both[layer], features)


@pytest.mark.parametrize("size", [5, 7])
def test_kernels_are_directions_spread_evenly(size: int) -> None:
    kernels = random_kernels(size).flatten(1).double()
    torch.testing.assert_close(kernels.norm(dim=1), torch.ones(128, dtype=torch.float64))
    # A coordinate of a direction in n dimensions has the variance 1 / n, and two directions have the mean product 0.
    dimensions = kernels.shape[1]
    assert (kernels.T @ kernels / 128).diagonal().mean() == pytest.approx(1 / dimensions)
    products = kernels @ kernels.T - torch.eye(128)
    assert products.square().mean().sqrt() == pytest.approx(dimensions**-0.5, rel=0.05)


def test_kernels_are_the_same_on_every_machine() -> None:
    """Other numbers are another version of the extractor: raise it in the registry."""
    found = [random_kernels(size)[channel, 0, 0, 0].item() for size in (5, 7) for channel in (0, 127)]
    assert found == pytest.approx([-0.2455631, 0.0339251, -0.1932456, -0.0841086], abs=1e-6)


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    random_kernels(5)
    assert torch.equal(torch.rand(1), expected)


def test_reflecting_borders_are_those_of_the_mirrored_image() -> None:
    image = torch.rand(2, 3, 14, 11, generator=torch.Generator().manual_seed(2))
    mirrored = random_projections(F.pad(image, (4, 4, 4, 4), mode="reflect"), random_kernels(5))
    torch.testing.assert_close(random_projections(image, random_kernels(5)), mirrored[:, :, 4:-4, 4:-4])


def test_values_stay_below_the_stated_bound() -> None:
    for size in (5, 7):
        kernels = random_kernels(size)
        # The image that a kernel likes best: white where it is positive.
        best = (kernels > 0).float()
        assert random_projections(best, kernels).abs().max() <= size * 3**0.5
