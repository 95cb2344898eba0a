"""PFAM: features of several layers, joined with what surrounds each cell at several scales.

Source: Yuan et al., Anomaly Detection of Industrial Products Considering both Texture and Shape Information, 2023,
section 3.2. The paper does not say how PFAM is trained for methods that train nothing (PaDiM, PatchCore), so the start
is chosen such that an untrained PFAM is of use by itself:

- Each convolution of MFCSAM starts as the features, smoothed by a binomial window of its own size and then projected on
  a share of the rows of one random rotation of the channels. All scales together thus hold every direction of the
  features once: where a map is flat, distances between features stay exactly what they were, and elsewhere a cell knows
  its surroundings at S scales, the smaller for some directions, the larger for the others. (PatchCore averages
  neighbours too, for the same reason, but at one scale.)
- All gates of the channels start at 1, and the weight alpha of the attention at 0: weights drawn at random would only
  make features depend on the whole image at random.
- The 1x1 convolution on the finest layer starts as the identity, so there each cell is also kept as it was.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from firstsight.detectors.pfam_attention import FrequencyChannelAttention, PositionAttention
from firstsight.detectors.windows import mirrored
from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class PfamSettings:
    """How PFAM is built.

    Attributes:
        scales: S, the convolutions of each MFCSAM, of kernels 3, 5, ..., 2 S + 1 (4 in EPSANet, Zhang et al. 2021,
            whose pyramid Eq. 3 takes up).
        frequencies: of the cosine transform, over which the channels of a scale are spread.
        most_cells: cells that each position attends to: larger maps are pooled for this.
        seed: of the weights it starts with.
    """

    scales: int = 4
    frequencies: int = 16
    most_cells: int = 4096
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("scales", "frequencies", "most_cells"):
            if getattr(self, name) < 1:
                raise FirstsightError(f"{name} is {getattr(self, name)}, but must be at least 1")
        if self.seed < 0:
            raise FirstsightError(f"seed is {self.seed}, but must not be negative")


class Mfcsam(nn.Module):
    """The multi-scale frequency channel self-attention module (Eq. 3 to 7, Figure 3), C channels to C channels.

    S convolutions of growing kernels see all C channels and give C / S each (one more for the first ones, where S does
    not divide C); each result passes its own channel attention and position attention, and all are joined. Borders are
    reflected, again and again where a map is smaller than the kernel, so maps may have any size.

    Args:
        channels: C, at least S.
        settings: scales (S), frequencies, most_cells.
    """

    def __init__(self, channels: int, settings: PfamSettings) -> None:
        super().__init__()
        self.channels = channels
        share, more = divmod(channels, settings.scales)
        counts = [share + (scale < more) for scale in range(settings.scales)]
        self.convolutions = nn.ModuleList(
            nn.Conv2d(channels, count, 2 * (scale + 1) + 1) for scale, count in enumerate(counts)
        )
        self.attentions = nn.ModuleList(
            nn.Sequential(
                FrequencyChannelAttention(count, settings.frequencies), PositionAttention(count, settings.most_cells)
            )
            for count in counts
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) to maps of the same shape."""
        widest = len(self.convolutions)
        padded = reflect_padded(maps, widest)
        results = []
        for scale, (convolution, attention) in enumerate(zip(self.convolutions, self.attentions, strict=True)):
            spare = widest - (scale + 1)
            inner = functional.pad(padded, (-spare,) * 4)
            results.append(attention(convolution(inner)))
        return torch.cat(results, dim=1)


class Pfam(nn.Module):
    """PFAM (section 3.2, Figure 2), see `build_pfam`.

    Attributes:
        layers: names of the layers, finest first.
        channels: channels of each layer that comes out, by name.
    """

    def __init__(self, channels: Mapping[str, int], settings: PfamSettings) -> None:
        super().__init__()
        self.layers = tuple(channels)
        first, last = self.layers[0], self.layers[-1]
        self.point = nn.Conv2d(channels[first], channels[first], 1)
        self.first = Mfcsam(channels[first], settings)
        self.last = Mfcsam(channels[last], settings) if last != first else None
        self.channels = {**channels, first: 2 * channels[first]}

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features {layer: (B, C, h, w)} to {layer: (B, C', h, w)}, see `build_pfam`."""
        if set(features) != set(self.layers):
            raise FirstsightError(f"PFAM of the layers {', '.join(self.layers)} was given {', '.join(features)}")
        result = {layer: features[layer] for layer in self.layers}
        first, last = self.layers[0], self.layers[-1]
        result[first] = torch.cat([self.point(features[first]), self.first(features[first])], dim=1)
        if self.last is not None:
            result[last] = self.last(features[last])
        return result


def build_pfam(channels: Mapping[str, int], settings: PfamSettings) -> Pfam:
    """An untrained PFAM, which is of use as it is (see above) and can be trained; weights on the CPU, float32.

    It maps {layer: (B, C, h, w)}, maps of any size, to the same layers with the same sizes. The first layer is the
    paper's X_1: its result joins a 1x1 convolution (C channels) and MFCSAM (C channels). The last is X_3: MFCSAM alone,
    C channels. Those between are X_2: they stay as they are. Of two layers there is no X_2; a single layer is X_1.

    Args:
        channels: C of every layer by name, finest layer first; at least ``settings.scales`` for the first and last.
        settings: of the module; the same seed gives the same weights.

    Raises:
        FirstsightError: no layer, or a layer of fewer channels than scales.
    """
    if not channels:
        raise FirstsightError("PFAM needs at least one layer")
    names = tuple(channels)
    for layer in (names[0], names[-1]):
        if channels[layer] < settings.scales:
            raise FirstsightError(
                f"scales is {settings.scales}, but layer {layer} has only {channels[layer]} channels: choose fewer"
            )
    # The meta device holds shapes only, and draws nothing from torch's own random numbers.
    with torch.device("meta"):
        pfam = Pfam(channels, settings)
    pfam.to_empty(device="cpu")
    _initialise(pfam, torch.Generator().manual_seed(settings.seed))
    return pfam


def reflect_padded(maps: Tensor, margin: int) -> Tensor:
    """Maps (B, C, h, w) mirrored at their border cells: (B, C, h + 2 * margin, w + 2 * margin), whatever the margin."""
    for dimension in (2, 3):
        maps = maps.index_select(dimension, mirrored(maps.shape[dimension], margin, margin, maps.device))
    return maps


@torch.no_grad()
def _initialise(pfam: Pfam, generator: torch.Generator) -> None:
    for module in pfam.modules():
        if isinstance(module, nn.Conv2d):
            if module.bias is not None:
                module.bias.zero_()
            if module.kernel_size == (1, 1):
                module.weight.copy_(torch.eye(module.out_channels)[:, :, None, None])
        elif isinstance(module, PositionAttention):
            module.alpha.zero_()
        elif isinstance(module, FrequencyChannelAttention):
            nn.init.orthogonal_(module.squeeze.weight, generator=generator)
            module.excite.weight.zero_()
        elif isinstance(module, Mfcsam):
            rotation = torch.empty(2 * (module.channels,))
            nn.init.orthogonal_(rotation, generator=generator)
            start = 0
            for convolution in module.convolutions:
                assert isinstance(convolution, nn.Conv2d)
                share = rotation[start : start + convolution.out_channels]
                convolution.weight.copy_(share[:, :, None, None] * binomial_window(convolution.kernel_size[0]))
                start += convolution.out_channels


def binomial_window(size: int) -> Tensor:
    """(size, size) float32, positive, sums to 1: products of binomial coefficients, nearly a Gaussian.

    Its standard deviation is sqrt(size - 1) / 2 cells: 0.7, 1, 1.2 and 1.4 for sizes 3, 5, 7 and 9.
    """
    row = torch.tensor([math.comb(size - 1, place) for place in range(size)], dtype=torch.float64)
    return (row[:, None] * row / row.sum() ** 2).float()
