"""What keeps SSDnet from copying its input: hidden blocks, permuted patches and noise (section 3.5)."""

import torch
from torch import Tensor


def partition_blocks(size: tuple[int, int], block_size: int, parts: int, generator: torch.Generator) -> Tensor:
    """Deal the blocks of an image out to parts: hiding one part after the other hides every pixel once.

    The grid of blocks lies anywhere, so blocks at the frame may be cut. The parts are as equal as the number of blocks
    allows.

    Args:
        size: height and width, pixels.
        block_size: pixels a side.
        parts: how many parts.
        generator: on the CPU; where the grid lies, and which part a block is dealt to.

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

    The image is cut into as many patches as it holds, the grid anywhere; ``share`` of them, chosen by chance, move on
    in a circle, so none of them stays where it was (a single one has nowhere to go).

    Args:
        images: (B, C, H, W).
        patch_size: pixels a side; an image that is smaller stays as it is.
        share: of the patches, from 0 to 1.
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
    """Images with hidden pixels filled with one colour, and what is visible as a fourth channel.

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
    images: Tensor,
    known: Tensor,
    filling: Tensor,
    *,
    block_size: int,
    parts: int,
    patch_size: int,
    share: float,
    noise: float,
    generator: torch.Generator,
) -> Tensor:
    """The input from which the network has to rebuild the images.

    Patches are permuted, Gaussian noise is added, and one part of the blocks is hidden. Missing pixels are hidden, too,
    wherever their patch went.

    Args:
        images: (B, 3, H, W), in [0, 1].
        known: (B, 1, H, W), bool, False where a pixel is missing.
        filling: (3,), the colour of hidden pixels.
        block_size: of the blocks that are hidden, pixels a side.
        parts: one of so many parts of the blocks is hidden.
        patch_size, share: of `permute_patches`.
        noise: deviation of the noise.
        generator: on the CPU.

    Returns:
        (B, 4, H, W), see `network_inputs`.
    """
    together = permute_patches(torch.cat([images, known.to(images)], dim=1), patch_size, share, generator)
    size = (images.shape[2], images.shape[3])
    hidden = torch.stack([partition_blocks(size, block_size, parts, generator) == 0 for _ in images])
    visible = (together[:, 3:] > 0) & ~hidden.to(images.device)[:, None]
    noisy = together[:, :3] + noise * torch.randn(images.shape, generator=generator).to(images.device)
    return network_inputs(noisy, visible, filling)
