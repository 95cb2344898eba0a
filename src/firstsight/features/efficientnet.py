"""EfficientNet-Lite0, whose weights come with an installed package, so that a network is at hand without a download."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from firstsight.features.registry import find_extractor
from firstsight.features.state_dicts import fill
from firstsight.features.trunk import extend_images, fold_normalisations, prepare_trunk, same_padding


class _Group(NamedTuple):
    """A row of Table 1 of Tan and Le (2019): so many blocks, of which the first has the stride."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STEM_CHANNELS = 32
_GROUPS = (
    _Group(1, 3, 1, 1, 16),
    _Group(2, 3, 2, 6, 24),
    _Group(2, 5, 2, 6, 40),
    _Group(3, 3, 2, 6, 80),
    _Group(3, 5, 1, 6, 112),
    _Group(4, 5, 2, 6, 192),
    _Group(1, 3, 1, 6, 320),
)
# The layers, each behind the last block before the map is halved again: how many blocks there are up to it.
_BLOCKS = {"stage1": 3, "stage2": 5, "stage3": 11}
# TensorFlow's.
_EPSILON = 1e-3


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """EfficientNet-Lite0, see ``extractor.Builder``.

    It is EfficientNet-B0 (Tan and Le 2019) with ReLU6, and without squeeze-and-excitation, so that a cell depends on
    its surroundings only. A layer is the expanded activation behind the depthwise convolution of a block. The outputs
    of blocks are narrow projections of it (24, 40 and 112 channels for 144, 240 and 672), which tell textures apart
    less well (docs/methods.md).

    Args:
        name: ``efficientnet_lite0``.
        layers: any of the registry's.
        border: ``reflect`` or ``paper`` (zero padding).
        state_dict: tensors by the names of the package's file.
        device: where the network computes.

    Raises:
        FirstsightError: a state dict that does not fit (see ``state_dicts.fill``).
    """
    spec = find_extractor(name)
    trunk = make_trunk(name, layers[-1], state_dict, border)
    fold_normalisations(trunk)
    prepare_trunk(trunk, border=border, device=device)

    def network(images: Tensor) -> dict[str, Tensor]:
        activations = trunk(extend_images(normalise_images(images), spec.side_multiple, border=border))
        features = {}
        for layer in layers:
            height, width = (spec.layers[layer].cells(side) for side in images.shape[2:])
            features[layer] = activations[layer][:, :, :height, :width].contiguous()
        return features

    return network


def make_trunk(name: str, layer: str, state_dict: Mapping[str, Tensor], border: str = "reflect") -> nn.Module:
    """The network that SBM tunes, see ``sbm_training.MakeTrunk``."""
    # On the meta device tensors have no data, so the random initialisation costs nothing.
    with torch.device("meta"):
        trunk = EfficientNetLite0(layer, border)
    fill(trunk, _up_to(trunk, state_dict), f"{name} to {layer}")
    return trunk


def normalise_images(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [0, 1] as TensorFlow prepared the training images; channels are last in memory."""
    return ((images * 255 - 127) / 128).to(memory_format=torch.channels_last)


class EfficientNetLite0(nn.Module):
    """The network up to a layer, with the names of the package's state dict.

    Args:
        layer: the deepest that is computed; None: all blocks.
        border: ``reflect`` or ``paper`` (zero padding).
    """

    def __init__(self, layer: str | None, border: str = "reflect") -> None:
        super().__init__()
        self._conv_stem = _SameConvolution(3, _STEM_CHANNELS, kernel=3, stride=2, border=border)
        self._bn0 = nn.BatchNorm2d(_STEM_CHANNELS, _EPSILON)
        blocks: list[_Block] = []
        channels = _STEM_CHANNELS
        for group in _GROUPS:
            for number in range(group.blocks):
                blocks.append(_Block(channels, group, group.stride if number == 0 else 1, border))
                channels = group.channels
        self._blocks = nn.ModuleList(blocks[: _BLOCKS[layer] if layer else None])

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The maps (B, C, h, w) of every layer, from normalised images whose sides the stride of each divides."""
        maps = nn.functional.relu6(self._bn0(self._conv_stem(images)))
        found: dict[str, Tensor] = {}
        for count, block in enumerate(self._blocks, start=1):
            assert isinstance(block, _Block)
            expanded = block.expand(maps)
            found |= {layer: expanded for layer, blocks in _BLOCKS.items() if blocks == count}
            if count < len(self._blocks):
                maps = block.project(expanded, maps)
        return found


class _Block(nn.Module):
    """An inverted residual block: expanded by 1 x 1, convolved channel by channel, projected."""

    def __init__(self, channels: int, group: _Group, stride: int, border: str) -> None:
        super().__init__()
        expanded = channels * group.expansion
        if group.expansion > 1:
            self._expand_conv = nn.Conv2d(channels, expanded, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(expanded, _EPSILON)
        self._depthwise_conv = _SameConvolution(
            expanded, expanded, kernel=group.kernel, stride=stride, border=border, groups=expanded
        )
        self._bn1 = nn.BatchNorm2d(expanded, _EPSILON)
        self._project_conv = nn.Conv2d(expanded, group.channels, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(group.channels, _EPSILON)
        self.residual = stride == 1 and channels == group.channels

    def expand(self, maps: Tensor) -> Tensor:
        """The expanded activation behind the depthwise convolution."""
        if hasattr(self, "_expand_conv"):
            maps = nn.functional.relu6(self._bn0(self._expand_conv(maps)))
        return nn.functional.relu6(self._bn1(self._depthwise_conv(maps)))

    def project(self, expanded: Tensor, maps: Tensor) -> Tensor:
        """The block's output, given its expanded activation and its input."""
        projected: Tensor = self._bn2(self._project_conv(expanded))
        return projected + maps if self.residual else projected


class _SameConvolution(nn.Conv2d):
    """A convolution with TensorFlow's SAME padding (`same_padding`)."""

    def __init__(self, channels: int, out: int, *, kernel: int, stride: int, border: str, groups: int = 1) -> None:
        super().__init__(channels, out, kernel, stride, groups=groups, bias=False)
        self.added = same_padding(kernel, stride) * 2
        self.mode = "reflect" if border == "reflect" else "constant"

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) to (B, out, h / stride, w / stride)."""
        return super().forward(nn.functional.pad(maps, self.added, mode=self.mode))


def _up_to(network: nn.Module, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of a whole network's state dict without those of its later blocks."""
    with torch.device("meta"):
        later = EfficientNetLite0(None).state_dict().keys() - network.state_dict().keys()
    return {name: value for name, value in state_dict.items() if name not in later}
