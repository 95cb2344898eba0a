"""Masks, permuted patches and noise."""

import pytest
import torch

from firstsight.detectors.ssdnet_corruption import corrupt, network_inputs, partition_blocks, permute_patches
from firstsight.detectors.ssdnet_settings import SsdnetSettings


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("size", [(64, 64), (13, 50), (1, 1), (8, 3)])
@pytest.mark.parametrize("parts", [2, 4])
def test_every_pixel_is_in_one_part(size: tuple[int, int], parts: int) -> None:
    dealt = partition_blocks(size, 4, parts, generator())
    assert dealt.shape == size
    assert dealt.min() >= 0
    assert dealt.max() < parts


@pytest.mark.parametrize("parts", [2, 4, 10])
def test_a_part_is_its_share(parts: int) -> None:
    shares = torch.stack(
        [(partition_blocks((64, 96), 8, parts, generator(seed)) == 0).float().mean() for seed in range(20)]
    )
    assert shares.mean() == pytest.approx(1 / parts, abs=0.02)
    # Blocks at the frame are cut, so a share is not exact.
    assert (shares - 1 / parts).abs().max() < 0.06


def test_blocks_are_whole() -> None:
    dealt = partition_blocks((40, 40), 8, 3, generator(2))
    changes = (dealt[1:] != dealt[:-1]).any(dim=1).nonzero().flatten()
    assert len(set((changes % 8).tolist())) == 1


@pytest.mark.parametrize("size", [(32, 48), (37, 50), (16, 16), (5, 90)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_permutation_keeps_every_value(size: tuple[int, int], share: float) -> None:
    images = torch.rand(3, 2, *size, generator=generator())
    found = permute_patches(images, 8, share, generator(1))
    for before, after in zip(images, found, strict=True):
        # The channels of a pixel stay together.
        keys = [image.flatten(1).T.contiguous().view(-1, 2) for image in (before, after)]
        assert sorted(map(tuple, keys[0].tolist())) == sorted(map(tuple, keys[1].tolist()))


def test_permutation_is_a_bijection_of_whole_patches() -> None:
    images = torch.arange(36.0).view(1, 1, 6, 6).repeat_interleave(4, 2).repeat_interleave(4, 3)
    found = permute_patches(images, 4, 0.5, generator())[0, 0]
    blocks = found.unfold(0, 4, 4).unfold(1, 4, 4).reshape(36, 16)
    assert (blocks == blocks[:, :1]).all()
    assert sorted(blocks[:, 0].tolist()) == list(range(36))
    assert int((blocks[:, 0] != torch.arange(36)).sum()) == 18


def test_permutation_leaves_its_input_alone() -> None:
    images = torch.rand(2, 3, 24, 24, generator=generator())
    before = images.clone()
    permute_patches(images, 8, 1.0, generator())
    assert torch.equal(images, before)


def test_inputs_show_what_is_visible() -> None:
    images = torch.rand(1, 3, 4, 5, generator=generator())
    visible = torch.rand(1, 1, 4, 5, generator=generator(1)) > 0.5
    found = network_inputs(images, visible, torch.tensor([0.1, 0.2, 0.3]))
    assert torch.equal(found[:, 3:] > 0, visible)
    for channel, value in enumerate((0.1, 0.2, 0.3)):
        assert torch.equal(found[:, channel][visible[:, 0]], images[:, channel][visible[:, 0]])
        assert (found[:, channel][~visible[:, 0]] == value).all()


def test_corruption_hides_a_share_and_all_that_is_missing() -> None:
    images = torch.rand(4, 3, 64, 64, generator=generator())
    known = torch.ones(4, 1, 64, 64, dtype=torch.bool)
    known[:, :, :16, :16] = False
    images[:, :, :16, :16] = 7.0
    settings = SsdnetSettings(mask_size=8, mask_parts=4, permuted_size=16, permuted_share=0.5, noise=0.01)
    found = corrupt(images, known, torch.zeros(3), settings, generator())
    visible = found[:, 3] > 0
    assert float(visible.float().mean()) == pytest.approx(0.75 * 15 / 16, abs=0.05)
    # Wherever the missing patch went, it is not shown.
    assert found[:, :3].max() < 2
    assert torch.equal(corrupt(images, known, torch.zeros(3), settings, generator()), found)


def test_noise_has_its_deviation() -> None:
    images, known = torch.full((2, 3, 64, 64), 0.5), torch.ones(2, 1, 64, 64, dtype=torch.bool)
    settings = SsdnetSettings(mask_size=8, mask_parts=4, permuted_size=16, permuted_share=0.0, noise=0.05)
    found = corrupt(images, known, torch.zeros(3), settings, generator())
    seen = found[:, :3].permute(1, 0, 2, 3)[:, found[:, 3] > 0]
    assert float(seen.std()) == pytest.approx(0.05, rel=0.05)
