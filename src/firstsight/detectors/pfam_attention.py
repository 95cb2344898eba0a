"""The two attentions of PFAM: to channels, by their frequencies, and to positions, by their similarity."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

# FcaNet has a sixteenth of the channels between its two linear layers, which would leave none of few channels.
_REDUCTION = 16
_FEWEST_HIDDEN = 4
# Entries of the attention map that are computed at a time.
_CHUNK_ENTRIES = 2**22


def lowest_frequencies(count: int) -> list[tuple[int, int]]:
    """The ``count`` lowest pairs (u, v) of vertical and horizontal frequencies, by u + v and then by u.

    (0, 0), (0, 1), (1, 0), (0, 2), (1, 1), (2, 0), ...: the zigzag of JPEG without its turns.
    """
    diagonals = math.isqrt(2 * count) + 1
    pairs = [(u, total - u) for total in range(diagonals + 1) for u in range(total + 1)]
    return pairs[:count]


def frequency_coefficients(maps: Tensor, frequencies: Tensor) -> Tensor:
    """One coefficient of the two-dimensional discrete cosine transform (type II) of every channel.

    The transform is orthonormal, divided by sqrt(h * w): frequency (0, 0) gives the mean of the channel, and the scale
    of the others does not depend on the size of the map either. A side of n cells has the frequencies 0 to n - 1; a
    higher one is replaced by the highest.

    Source: the multi-spectral squeeze of FcaNet (Qin et al. 2021, Eq. 7), there on maps pooled to 7 x 7.

    Args:
        maps: (B, C, h, w), any size.
        frequencies: (C, 2), whole numbers, vertical and horizontal frequency of every channel.

    Returns:
        (B, C).
    """
    height, width = maps.shape[2:]
    vertical = _cosines(frequencies[:, 0], height, maps)
    horizontal = _cosines(frequencies[:, 1], width, maps)
    return torch.einsum("bchw,ch,cw->bc", maps, vertical, horizontal) / math.sqrt(height * width)


class FrequencyChannelAttention(nn.Module):
    """FCAWeight (Eq. 4): every channel is multiplied by a gate that depends on the frequencies of all channels.

    The channels are dealt out, in order and as evenly as possible, to the lowest ``frequencies`` frequencies of the
    cosine transform (FcaNet-LF of FcaNet); two linear layers with a ReLU between them turn the coefficients into gates.

    FcaNet's gate is a sigmoid, which starts at about 1/2. Ours is twice a sigmoid, and its last layer starts at 0: all
    gates are 1 until training changes them.

    Args:
        channels: C of the maps.
        frequencies: how many, at least 1; no more than channels are used.
    """

    def __init__(self, channels: int, frequencies: int) -> None:
        super().__init__()
        count = min(frequencies, channels)
        pairs = lowest_frequencies(count)
        self.frequencies = tuple(pairs[channel * count // channels] for channel in range(channels))
        hidden = max(_FEWEST_HIDDEN, channels // _REDUCTION)
        self.squeeze = nn.Linear(channels, hidden, bias=False)
        self.excite = nn.Linear(hidden, channels, bias=False)

    def gates(self, maps: Tensor) -> Tensor:
        """Gates (B, C) between 0 and 2 of maps (B, C, h, w)."""
        frequencies = torch.tensor(self.frequencies, device=maps.device)
        coefficients = frequency_coefficients(maps, frequencies)
        return 2 * torch.sigmoid(self.excite(functional.relu(self.squeeze(coefficients))))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) to maps of the same shape."""
        return maps * self.gates(maps)[:, :, None, None]


class PositionAttention(nn.Module):
    """Position self-attention (Eq. 5 and 6): every cell receives from the cells that are like it.

    P, K and V are 1x1 convolutions of the maps A. Cell j weighs cell i by the softmax over i of P_i . K_j, not scaled.
    The weighted sum of V passes a leaky ReLU (slope 0.01, which the text has but Eq. 6 has not), is multiplied by alpha
    and added to A. Alpha starts at 0: an untrained attention changes nothing, and is not computed where no gradient is
    needed.

    Where there are more than ``most_cells`` cells, P and V are average-pooled to at most that many (over blocks of
    about equal size), so that time and memory grow with the area and not with its square; up to that many cells the
    result is exact. Cells j are taken in chunks, which changes no number.

    Args:
        channels: C of the maps.
        most_cells: cells to attend to, at least 1.
    """

    def __init__(self, channels: int, most_cells: int) -> None:
        super().__init__()
        self.most_cells = most_cells
        # A bias of P would add the same to all logits of a cell, and the softmax cancels that.
        self.p = nn.Conv2d(channels, channels, 1, bias=False)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.alpha = nn.Parameter(torch.zeros(()))

    def attended(self, maps: Tensor) -> Tensor:
        """The weighted sums of V, from maps (B, C, h, w) to maps of the same shape."""
        size = pooled_size(maps.shape[2], maps.shape[3], self.most_cells)
        p, v = (_rows(functional.adaptive_avg_pool2d(convolution(maps), size)) for convolution in (self.p, self.v))
        k = _rows(self.k(maps))
        chunks = torch.split(k, max(1, _CHUNK_ENTRIES // p.shape[2]), dim=2)
        sums = [functional.scaled_dot_product_attention(chunk, p, v, scale=1.0) for chunk in chunks]
        return torch.cat(sums, dim=2).transpose(2, 3).reshape(maps.shape)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) to maps of the same shape."""
        if not torch.is_grad_enabled() and self.alpha == 0:
            return maps
        return self.alpha * functional.leaky_relu(self.attended(maps)) + maps


def pooled_size(height: int, width: int, most_cells: int) -> tuple[int, int]:
    """Height and width of a map of at most ``most_cells`` cells in about the same proportion, never larger."""
    if height * width <= most_cells:
        return height, width
    rows = min(height, most_cells, max(1, math.floor(height * math.sqrt(most_cells / (height * width)))))
    return rows, min(width, most_cells // rows)


def _rows(maps: Tensor) -> Tensor:
    """Maps (B, C, h, w) as cells (B, 1, h * w, C): one head, in the layout that torch's fast attention needs."""
    return maps.flatten(2).transpose(1, 2)[:, None].contiguous()


def _cosines(frequencies: Tensor, length: int, like: Tensor) -> Tensor:
    """(C, length): row c is the orthonormal cosine of frequency c (at most length - 1) over the cells of a side."""
    clipped = frequencies.clamp(max=length - 1).to(like)[:, None]
    cells = torch.arange(length, device=like.device).to(like)
    scales = torch.where(clipped == 0, 1, 2).to(like).div(length).sqrt()
    return scales * torch.cos(math.pi * clipped * (cells + 0.5) / length)
