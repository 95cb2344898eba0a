"""The only way from images to features: ``load_extractor(name, ...)(images)``."""

import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from firstsight.errors import FirstsightError
from firstsight.features.registry import BORDERS, ExtractorSpec, find_extractor, find_layers
from firstsight.features.state_dicts import load_state_dict
from firstsight.features.weights import resolve_weights

# Resampling and colour conversion in float32 may leave [0, 1] by rounding errors, but not by more than this.
_ROUNDING = 1e-4

Network = Callable[[Tensor], dict[str, Tensor]]


class Builder(Protocol):
    """The function ``build`` of an extractor's file.

    It returns a function from images (B, 3, H, W) on ``device``, in [0, 1], to ``{layer: (B, C, h, w)}`` for exactly
    the given ``layers`` (without duplicates, from shallow to deep), which computes nothing beyond the deepest of them.
    The file of a network that SBM can tune has a function ``make_trunk`` besides (see ``sbm_training``).
    """

    def __call__(
        self,
        name: str,
        layers: tuple[str, ...],
        *,
        border: str,
        state_dict: Mapping[str, Tensor],
        device: torch.device,
    ) -> Network: ...


@dataclass(frozen=True, eq=False)
class Extractor:
    """A loaded extractor; called with images, it returns the features of its layers.

    Attributes:
        name: its name in the registry.
        layers: the layers it computes, from shallow to deep.
        strides: by layer, the distance between neighbouring cells in input pixels.
        offsets: by layer, the centre of cell 0 in input pixels; cell i is centred at ``offset + stride * i``.
        border: ``reflect`` or ``paper`` (zero padding).
        weights_sha256: of the weights file (64 hexadecimal digits), or None without weights.
        device: where it computes and leaves its features.
        smallest_side: the shortest image side that it accepts, in pixels.
        spec: what was known of it before it was built.
        network: from checked images on ``device`` to features; call the extractor instead.
    """

    name: str
    layers: tuple[str, ...]
    strides: dict[str, int]
    offsets: dict[str, float]
    border: str
    weights_sha256: str | None
    device: torch.device
    smallest_side: int
    spec: ExtractorSpec = field(repr=False)
    network: Network = field(repr=False)

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Features of a batch of images.

        Args:
            images: (B, 3, H, W), float32, RGB in [0, 1], on any device; H and W at least ``smallest_side``.

        Returns:
            For every layer a float32 tensor (B, C, h, w) on ``device``, with as many cells as ``registry.Layer`` says,
            computed in inference mode (without autograd).

        Raises:
            FirstsightError: images of another shape or type or too small, values that are NaN or outside [0, 1].
        """
        _check_images(images)
        height, width = images.shape[2:]
        if min(height, width) < self.smallest_side:
            raise FirstsightError(
                f"image {width} x {height} (W x H) is too small for {self.name} to {self.layers[-1]}: "
                f"at least {self.smallest_side} x {self.smallest_side}"
            )
        with torch.inference_mode():
            return self.network(images.to(self.device))


def load_extractor(
    name: str,
    *,
    weights: str | os.PathLike[str] | None = None,
    layers: Iterable[str] | None = None,
    border: str = "reflect",
    device: str | torch.device = "cpu",
) -> Extractor:
    """Load an extractor of the registry; only what the deepest requested layer needs is built.

    Args:
        name: a key of ``EXTRACTORS``, such as ``laws`` or ``resnet18``, or ``timm/<model>``.
        weights: torchvision's name of the weights or a file; None: the extractor's default weights, if it has any.
        layers: the layers to compute, all in one pass; None: the extractor's default layers.
        border: ``reflect``: every padded convolution reflects the map at its border, so that the border of a map looks
            as normal as its middle. ``paper``: zero padding, as in the networks' training and the papers' evaluation.
        device: where to compute, ``cpu`` or ``cuda``.

    Raises:
        FirstsightError: an unknown extractor, layer, border or device (the text lists the choices), or weights that
            are unavailable, unreadable or do not fit.
    """
    spec = find_extractor(name, weights)
    requested = find_layers(name, layers, weights)
    if border not in BORDERS:
        raise FirstsightError(f"unknown border {border!r}: choose one of {', '.join(BORDERS)}")
    resolved_device = _find_device(device)
    resolved = resolve_weights(name, weights)
    state_dict, sha256 = load_state_dict(resolved) if spec.needs_weights else ({}, None)
    build: Builder = importlib.import_module(spec.module).build
    deepest = spec.layers[requested[-1]]
    return Extractor(
        name=name,
        layers=requested,
        strides={layer: spec.layers[layer].stride for layer in requested},
        offsets={layer: spec.layers[layer].offset for layer in requested},
        border=border,
        weights_sha256=sha256,
        device=resolved_device,
        # With zero padding one cell is enough.
        smallest_side=deepest.smallest_side if border == "reflect" else deepest.stride if deepest.whole_blocks else 1,
        spec=spec,
        network=build(name, requested, border=border, state_dict=state_dict, device=resolved_device),
    )


def _find_device(device: str | torch.device) -> torch.device:
    try:
        resolved_device = torch.device(device)
        torch.empty(0, device=resolved_device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise FirstsightError(f"device {str(device)!r} cannot be used here ({reason}): choose cpu or cuda") from error
    return resolved_device


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor) or images.dtype != torch.float32:
        actual = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise FirstsightError(f"images must be a float32 tensor, not {actual}")
    if images.ndim != 4 or images.shape[1] != 3 or 0 in images.shape:
        raise FirstsightError(f"images must have the shape (B, 3, H, W), not {tuple(images.shape)}")
    low, high = (value.item() for value in torch.aminmax(images))
    # Written so that NaN, which aminmax passes on, is refused too.
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):
        raise FirstsightError(f"images must lie in [0, 1], but hold values from {low:g} to {high:g}")
