import numpy as np
import pytest
import torch

from firstsight.features.sbm_synthesis import (
    deform,
    overlay_texture,
    random_region,
    smooth_noise,
    synthesise_defect,
    vary_texture,
)
from oracles import sbm as oracle


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_image(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((3, height, width), generator=seeded(seed))


@pytest.mark.parametrize(("height", "width"), [(48, 48), (31, 57), (5, 9), (2, 3)])
def test_a_defect_changes_its_region_only(height: int, width: int) -> None:
    changed = []
    for seed in range(12):
        image, other = random_image(height, width, 2 * seed), random_image(height, width, 2 * seed + 1)
        before = image.clone()
        defective, mask = synthesise_defect(image, other, seeded(seed))
        assert torch.equal(image, before)
        assert defective.shape == image.shape
        assert defective.dtype == torch.float32
        assert mask.dtype == torch.bool
        assert 0 <= defective.min() <= defective.max() <= 1
        assert torch.equal(defective[:, ~mask], image[:, ~mask])
        assert mask.any()
        assert not mask.all()
        changed.append(((defective != image).any(0) & mask).sum() / mask.sum())
    assert np.mean(changed) > 0.9


def test_regions_take_up_what_they_should() -> None:
    shares = [(random_region(60, 80, seeded(seed)) > 0).float().mean().item() for seed in range(40)]
    assert 0.02 - 0.001 <= min(shares) < 0.05
    assert 0.12 < max(shares) <= 0.15 + 0.001


def test_regions_are_smooth_and_rise_from_zero_to_one() -> None:
    region = random_region(60, 80, seeded(1))
    assert region.min() == 0
    assert region.max() == 1
    assert max(region.diff(dim=0).abs().max(), region.diff(dim=1).abs().max()) < 0.35


def test_noise_passes_through_its_corners_and_is_smooth_between() -> None:
    noise = smooth_noise(33, 17, 4, seeded())
    corners = torch.randn((5, 5), generator=seeded())
    torch.testing.assert_close(noise[::8, ::4], corners, atol=1e-5, rtol=1e-5)
    assert noise.diff(dim=0).abs().max() < corners.diff(dim=0).abs().max() / 4


@pytest.mark.parametrize("scale", [1.5, 40])
def test_deforming_equals_the_oracle(scale: float) -> None:
    image = random_image(9, 14)
    region = (torch.rand((9, 14), generator=seeded(1)) - 0.4).clamp(min=0)
    displacements = scale * torch.randn((2, 9, 14), generator=seeded(2))
    expected = oracle.deform(image.numpy(), region.numpy(), displacements.numpy())
    np.testing.assert_allclose(deform(image, region, displacements), expected, atol=2e-4)


def test_texture_is_laid_over_the_region_with_its_opacity() -> None:
    image, texture = random_image(6, 7), random_image(6, 7, 1)
    region = torch.zeros(6, 7)
    region[2:4, 3:6] = 0.01
    found = overlay_texture(image, region, texture, 0.25)
    torch.testing.assert_close(found[:, 2:4, 3:6], 0.75 * image[:, 2:4, 3:6] + 0.25 * texture[:, 2:4, 3:6])
    assert torch.equal(found[:, region == 0], image[:, region == 0])


@pytest.mark.parametrize("shape", [(20, 20), (20, 13)])
def test_varied_texture_has_the_same_shape_and_another_look(shape: tuple[int, int]) -> None:
    image = random_image(*shape)
    varied = [vary_texture(image, seeded(seed)) for seed in range(20)]
    assert all(texture.shape == image.shape for texture in varied)
    assert all(0 <= texture.min() <= texture.max() <= 1 for texture in varied)
    means = torch.stack([texture.mean() for texture in varied])
    assert means.std() > 0.03


def test_the_seed_alone_decides() -> None:
    image, other = random_image(30, 30), random_image(30, 30, 1)
    torch.manual_seed(1)
    untouched = torch.random.get_rng_state()
    first = synthesise_defect(image, other, seeded(5))
    assert torch.equal(untouched, torch.random.get_rng_state())
    again = synthesise_defect(image, other, seeded(5))
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not torch.equal(first[1], synthesise_defect(image, other, seeded(6))[1])
