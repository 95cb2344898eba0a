"""What VGG19 sees of an image and its outputs."""

import pytest
import torch
from torch.nn import functional

from firstsight.detectors.ssdnet_perception import perceptual_similarity, similarity_by_patches

WEIGHTS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))


def colours(images: torch.Tensor) -> torch.Tensor:
    """Five mixtures of the colours of every 2 x 2 pixels, in place of a network."""
    return torch.einsum("fc,bchw->bfhw", WEIGHTS, functional.avg_pool2d(images, 2))


def images(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def test_the_similarity_is_the_mean_over_the_outputs() -> None:
    image, first, second = images(3, 2, 3, 10, 13)
    each = [perceptual_similarity(colours, image, [output], 1) for output in (first, second)]
    found = perceptual_similarity(colours, image, [first, second], 1)
    assert found.shape == (2, 10, 13)
    torch.testing.assert_close(found, (each[0] + each[1]) / 2)


def test_gradients_reach_the_outputs_alone() -> None:
    image, output = images(2, 1, 3, 8, 8)
    image.requires_grad_()
    output.requires_grad_()
    perceptual_similarity(colours, image, [output], 2).mean().backward()
    assert image.grad is None
    assert output.grad is not None


@pytest.mark.parametrize("size", [(16, 24), (19, 17), (8, 8)])
def test_patches_are_enlarged_by_themselves(size: tuple[int, int]) -> None:
    seen = []

    def perception(patches: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(patches.shape))
        return colours(patches)

    image, output = images(2, 3, *size)
    found = similarity_by_patches(perception, image, [output], enlarge=4, patch_size=8)
    assert set(seen) == {(1, 3, 32, 32)}
    corner = perceptual_similarity(colours, image[None, :, -8:, -8:], [output[None, :, -8:, -8:]], 4)[0]
    torch.testing.assert_close(found[-8:, -8:], corner)
    # A patch of one colour has the product of the colours' mixtures.
    flat = similarity_by_patches(colours, torch.full((3, *size), 0.5), [output], enlarge=4, patch_size=8)
    mean = (functional.avg_pool2d(output[None], 8)[0, :, 0, 0] @ WEIGHTS.T * (0.5 * WEIGHTS.sum(1))).mean()
    assert float(flat[:8, :8].mean()) == pytest.approx(float(mean), rel=1e-4)
