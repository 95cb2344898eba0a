"""Colours as features: the baseline that every other extractor must beat."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """The extractor ``colors``: F(I) = I, with the single layer ``rgb`` (see ``extractor.Builder``).

    It reads nothing beyond the frame, so both borders give the same.

    Source: the FCA paper (Ardelean and Weyrich 2024), Table 1.
    """

    def network(images: Tensor) -> dict[str, Tensor]:
        # Copied, since features that share memory with the caller's images would change with them.
        return {layer: images.clone() for layer in layers}

    return network
