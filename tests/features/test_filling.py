"""Filling what is missing, and telling how much is known."""

import numpy as np
import pytest
import torch

from firstsight.features.filling import fill_missing, known_share


def random_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(seed))


def test_missing_pixels_take_the_values_round_them() -> None:
    image = random_image(13, 17) * 0.1 + torch.tensor([0.1, 0.4, 0.7]).view(3, 1, 1)
    holes = image.clone()
    holes[1, 2, 3] = torch.nan
    holes[:, 6:, 9:] = torch.nan
    before = holes.clone()
    filled = fill_missing(holes)
    known = ~before.isnan().any(0)
    assert (filled[:, known] == image[:, known]).all()
    assert torch.equal(before.isnan(), holes.isnan()), "the caller's image was changed"
    for channel, low in zip(filled, (0.1, 0.4, 0.7), strict=True):
        assert ((channel >= low) & (channel <= low + 0.1)).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (9, 8)])
def test_one_known_pixel_is_enough(shape: tuple[int, int]) -> None:
    image = torch.full((3, *shape), torch.nan)
    image[:, -1, 0] = torch.tensor([0.2, 0.3, 0.4])
    filled = fill_missing(image)
    torch.testing.assert_close(filled, torch.tensor([0.2, 0.3, 0.4]).view(3, 1, 1).expand(3, *shape))


@pytest.mark.parametrize("size", [(8, 12), (9, 13), (3, 2), (1, 1)])
def test_the_share_that_is_known_counts_pixels(size: tuple[int, int]) -> None:
    image = random_image(*size)
    image[1, torch.rand(size, generator=torch.Generator().manual_seed(1)) < 0.4] = torch.nan
    known = np.isfinite(image.numpy()).all(axis=0)
    found = known_share(image)
    assert found.shape == (1, -(-size[0] // 4), -(-size[1] // 4))
    for row in range(found.shape[1]):
        for column in range(found.shape[2]):
            square = known[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            assert found[0, row, column] == pytest.approx(square.mean())
