"""What all pretrained trunks have in common."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.fusion import fuse_conv_bn_weights


def prepare_trunk(trunk: nn.Module, *, border: str, device: torch.device) -> None:
    """Prepare a filled trunk, in place, for inference on a device; ``reflect`` makes padded convolutions reflect."""
    if border == "reflect":
        for module in trunk.modules():
            if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
                module.padding_mode = "reflect"
    # With channels last in memory, a 1024 x 1024 image takes two thirds of the time on a CPU.
    trunk.eval().requires_grad_(False).to(device).to(memory_format=torch.channels_last)


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """The cells that TensorFlow's SAME padding adds before and after a side that the stride divides.

    They are k - s for kernel k and stride s, the odd one at the end: at stride 2 none before and one after (k = 3), or
    one before and two after (k = 5).
    """
    added = max(0, kernel - stride)
    return added // 2, added - added // 2


def fold_normalisations(parent: nn.Module) -> None:
    """Fold each batch normalisation, in place, into the convolution just before it among a module's children.

    Children must be listed in the order in which they run. Maps are the same up to rounding, and take about two thirds
    of the time on a CPU.
    """
    before: nn.Module | None = None
    for name, child in parent.named_children():
        if isinstance(child, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            assert child.running_mean is not None
            assert child.running_var is not None
            before.weight, before.bias = fuse_conv_bn_weights(
                before.weight, before.bias, child.running_mean, child.running_var, child.eps, child.weight, child.bias
            )
            # Some of timm's normalisations activate, too.
            setattr(parent, name, getattr(child, "act", nn.Identity()))
        fold_normalisations(child)
        before = child


def extend_images(images: Tensor, multiple: int, *, border: str) -> Tensor:
    """Extend normalised images (B, 3, H, W) to the right and below until both sides are multiples of a number.

    With ``border="reflect"`` by the mirrored image, which must have more pixels than are added; else by zeros.
    """
    height, width = images.shape[2:]
    added = (0, -width % multiple, 0, -height % multiple)
    return pad(images, added, mode="reflect" if border == "reflect" else "constant") if any(added) else images
