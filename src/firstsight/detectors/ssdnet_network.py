"""The encoder-decoder of SSDnet: a small deep image prior whose input is the image."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class EncoderDecoder(nn.Module):
    """Encoder and decoder with skip connections, after Ulyanov et al., Deep Image Prior, CVPR 2018.

    Every scale of the encoder halves the image (a 3x3 convolution of stride 2, then one of stride 1). The decoder
    enlarges it again by repeating cells, adds the few channels of that scale's skip connection, and applies a 3x3 and a
    1x1 convolution. Every convolution except the last is followed by a normalisation and a leaky ReLU (0.2), the last
    by a sigmoid. The normalisation uses the statistics of the batch that it is given, in training and afterwards, as
    the deep image prior does. Borders are reflected. Images may have any size from `smallest_side` on.

    Args:
        channels: of every scale, from the finest on.
        skip_channels: of every skip connection; 0: there are none.
        inputs: channels of the input.
    """

    def __init__(self, channels: Sequence[int], skip_channels: int, inputs: int) -> None:
        super().__init__()
        finer = [inputs, *channels[:-1]]
        pairs = list(zip(finer, channels, strict=True))
        self.down = nn.ModuleList(
            nn.Sequential(_Convolution(before, after, 3, stride=2), _Convolution(after, after, 3))
            for before, after in pairs
        )
        self.skip = nn.ModuleList(_Convolution(before, skip_channels, 1) for before in finer if skip_channels)
        self.up = nn.ModuleList(
            nn.Sequential(
                _Convolution(channels[scale] + skip_channels, channels[max(scale - 1, 0)], 3),
                _Convolution(channels[max(scale - 1, 0)], channels[max(scale - 1, 0)], 1),
            )
            for scale in range(len(channels))
        )
        self.last = nn.Conv2d(channels[0], 3, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Images (B, inputs, H, W) to images (B, 3, H, W) in (0, 1)."""
        maps, finer = inputs, []
        for down in self.down:
            finer.append(maps)
            maps = down(maps)
        for scale in reversed(range(len(self.up))):
            maps = functional.interpolate(maps, size=finer[scale].shape[2:], mode="nearest")
            if len(self.skip):
                maps = torch.cat([maps, self.skip[scale](finer[scale])], dim=1)
            maps = self.up[scale](maps)
        return torch.sigmoid(self.last(maps))


class _Convolution(nn.Module):
    """A convolution with reflected borders, normalised by the statistics of its batch, and a leaky ReLU."""

    def __init__(self, before: int, after: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(before, after, size, stride)
        self.normalisation = nn.BatchNorm2d(after, track_running_stats=False)
        self.size = size

    def forward(self, maps: Tensor) -> Tensor:
        if self.size == 3:
            # By slices, since the gradient of torch's reflecting padding differs from run to run on a GPU.
            maps = torch.cat([maps[:, :, 1:2], maps, maps[:, :, -2:-1]], dim=2)
            maps = torch.cat([maps[..., 1:2], maps, maps[..., -2:-1]], dim=3)
        return functional.leaky_relu(self.normalisation(self.convolution(maps)), 0.2)


def smallest_side(scales: int) -> int:
    """The shortest side, in pixels, that an image may have for an `EncoderDecoder` with this many scales.

    The coarsest map must be at least two cells wide and high, so that one can be the reflection of the other.
    """
    return int(2**scales) + 1


def make_network(
    channels: Sequence[int], skip_channels: int, inputs: int, generator: torch.Generator, device: torch.device
) -> EncoderDecoder:
    """An untrained `EncoderDecoder`, whose weights are drawn from the generator alone.

    Weights and biases of a convolution are uniform within 1 / sqrt(inputs of a cell), as is torch's default.
    """
    # The meta device holds shapes only and draws nothing from torch's global random numbers.
    with torch.device("meta"):
        network = EncoderDecoder(channels, skip_channels, inputs)
    network.to_empty(device=device)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                bound = 1 / math.sqrt(module.weight[0].numel())
                for values in (module.weight, module.bias):
                    assert values is not None
                    drawn = torch.rand(values.shape, generator=generator, device=generator.device)
                    values.copy_(bound * (2 * drawn - 1))
            elif isinstance(module, nn.BatchNorm2d):
                module.weight.fill_(1)
                module.bias.fill_(0)
    return network
