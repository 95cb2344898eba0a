"""What keeps SSDnet from copying its input: hidden blocks, permuted patches and noise (section 3.5)."""

import torch
from torch import Tensor

from firstsight.detectors.ssdnet_settings import SsdnetSettings


def partition_blocks(size: tuple[int, int], block_size: int, parts: int, generator: torch.Generator) -> Tensor:
    """Deal the blocks of an image out to parts, so that hiding one part after the other hides every pixel once.

    The grid of blocks lies at a random place, so blocks at the frame may be cut. The parts are as equal as the number
    of blocks allows.

    Args:
        size: height and width, pixels.
        block_size: side of a block, pixels.
        parts: how many parts.
        generator: on the CPU; of the place of the grid, and of the part that a block is dealt to.

    Returns:
        (H, W) int64 from 0 to parts - 1, on the CPU.
    """
    height, width = size
    top, left = torch.randint(block_size, (2,), generator=generator).tolist()
    rows, columns = ((length + start - 1) // block_size + 1 for length, start in ((height, top), (width, left)))
    dealt = (torch.randperm(rows * columns, generator=generator) % parts).view(rows, columns)
    pixels = dealt.repeat_interleave(block_size, 0).repeat_interleave(block_size, 1)
    return pixels[top : top + height, left : left + width]


def permute_patches(images: Tensor, patch_size: int, share: float, generator: torch.Generator) -> Tensor:
    """Move some patches of every image to each other's places; every patch is still there once.

    The image is cut into as many patches as it holds, on a grid at a random place. A share of them, chosen at random,
    moves on in a circle, so that none of these stays where it was (a single one has nowhere to go).

    Args:
        images: (B, C, H, W).
        patch_size: side of a patch, pixels; a smaller image stays as it is.
        share: of the patches that move, from 0 to 1.
        generator: on the CPU.

    Returns:
        (B, C, H, W), a new tensor.
    """
    result = images.clone()
    channels, height, width = images.shape[1:]
    rows, columns = height // patch_size, width // patch_size
    moved = round(share * rows * columns)
    for image in result:
        top = int(torch.randint(height - rows * patch_size + 1, (1,), generator=generator))
        left = int(torch.randint(width - columns * patch_size + 1, (1,), generator=generator))
        chosen = torch.randperm(rows * columns, generator=generator)[:moved].to(images.device)
        if moved < 2:
            continue
        part = image[:, top : top + rows * patch_size, left : left + columns * patch_size]
        patches = part.reshape(channels, rows, patch_size, columns, patch_size).permute(1, 3, 0, 2, 4).flatten(0, 1)
        patches[chosen] = patches[chosen.roll(1)]
        part.copy_(patches.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4).reshape(part.shape))
    return result


def network_inputs(images: Tensor, visible: Tensor, filling: Tensor) -> Tensor:
    """Images whose hidden pixels are filled with one colour; a fourth channel says what is visible.

    Args:
        images: (B, 3, H, W), finite.
        visible: (B, 1, H, W), bool.
        filling: (3,), the colour of hidden pixels.

    Returns:
        (B, 4, H, W).
    """
    shown = torch.where(visible, images, filling.view(3, 1, 1))
    return torch.cat([shown, visible.to(images)], dim=1)


def corrupt(
    images: Tensor, known: Tensor, filling: Tensor, settings: SsdnetSettings, generator: torch.Generator
) -> Tensor:
    """The input from which the network has to rebuild the images.

    Patches are permuted (unless those of the output are), Gaussian noise is added, and one part of the blocks is
    hidden. Missing pixels are hidden too, wherever their patch went.

    Args:
        images: (B, 3, H, W), in [0, 1].
        known: (B, 1, H, W), bool, False where a pixel is missing.
        filling: (3,), the colour of hidden pixels.
        settings: mask_size, mask_parts, noise, and which patches are permuted.
        generator: on the CPU.

    Returns:
        (B, 4, H, W), see `network_inputs`.
    """
    together = torch.cat([images, known.to(images)], dim=1)
    if settings.permuted == "input":
        together = permute_patches(together, settings.permuted_size, settings.permuted_share, generator)
    size = (images.shape[2], images.shape[3])
    parts = [partition_blocks(size, settings.mask_size, settings.mask_parts, generator) for _ in images]
    hidden = torch.stack(parts) == 0
    visible = (together[:, 3:] > 0) & ~hidden.to(images.device)[:, None]
    noisy = together[:, :3] + settings.noise * torch.randn(images.shape, generator=generator).to(images.device)
    return network_inputs(noisy, visible, filling)
