"""Any network of timm: its stages, or the blocks of a plain transformer, as layers."""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

import timm
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from firstsight.errors import FirstsightError, WeightsError
from firstsight.features.timm_models import PREFIX
from firstsight.features.trunk import extend_images, fold_normalisations, prepare_trunk, same_padding

# Tried in this order; a model refuses the keywords that it does not know. The expanded activation of an EfficientNet's
# block tells textures apart better than its narrow output (docs/methods.md); transformers shall take any image size.
_KEYWORDS: tuple[dict[str, Any], ...] = (
    {"feature_location": "expansion"},
    {"dynamic_img_size": True},
    {"strict_img_size": False},
    {},
)
# Of maps, relative to their largest value, where normalisations were folded.
_FOLDED = 1e-3


def build(
    name: str, layers: tuple[str, ...], *, border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A network of timm, see ``extractor.Builder``.

    Args:
        name: ``timm/<model>``.
        layers: ``stage0``, ``stage1``, ... as timm numbers what a network returns with ``features_only``, or
            ``block0``, ... for transformers whose maps are all of one size.
        border: ``reflect``: padded convolutions reflect the map; ``paper``: they add zeros, as in training.
        state_dict: tensors by timm's names, or by those that timm itself converts.
        device: where the network computes.

    Raises:
        FirstsightError: timm cannot return maps of this network.
    """
    indices = [int(re.sub(r"\D", "", layer)) for layer in layers]
    network = _prepared(name, indices, border, state_dict, device)
    multiple = max(network.feature_info.reduction())
    configuration = network.pretrained_cfg
    mean, deviation = (torch.tensor(configuration[key], device=device)[:, None, None] for key in ("mean", "std"))
    channels_last = getattr(network, "output_fmt", "NCHW") == "NHWC"

    def extract(images: Tensor) -> dict[str, Tensor]:
        normalised = ((images - mean) / deviation).to(memory_format=torch.channels_last)
        extended = extend_images(normalised, multiple, border=border)
        maps = network(extended)
        features = {}
        for layer, returned in zip(layers, maps, strict=True):
            values = returned.permute(0, 3, 1, 2) if channels_last else returned
            # Cells that lie wholly in what was added are dropped.
            height, width = (
                -(-side * cells // whole)
                for side, cells, whole in zip(images.shape[2:], values.shape[2:], extended.shape[2:], strict=True)
            )
            features[layer] = values[:, :, :height, :width].contiguous()
        return features

    return extract


def layer_names(network: Any) -> tuple[str, ...]:
    """The names of all layers that a network of `make_network` could return."""
    reductions = [entry["reduction"] for entry in network.feature_info.info]
    kind = "block" if len(reductions) > 1 and len(set(reductions)) == 1 else "stage"
    return tuple(f"{kind}{index}" for index in range(len(reductions)))


def make_network(name: str, indices: list[int] | None, state_dict: Mapping[str, Tensor]) -> Any:
    """A network of timm that returns a list of maps.

    Args:
        name: ``timm/<model>``.
        indices: which of its maps, as timm numbers them; None: timm's choice.
        state_dict: what it is filled with, as far as it needs it (`require_fitting` checks that it fits); empty: it
            stays random.

    Raises:
        FirstsightError: timm cannot return maps of this network.
    """
    keywords: dict[str, Any] = {"features_only": True}
    if indices is not None:
        keywords["out_indices"] = indices
    if state_dict:
        # A copy, since timm removes the classifier from it.
        keywords |= {"pretrained": True, "pretrained_cfg_overlay": _overlay(state_dict)}
    with _quiet():
        network = timm.create_model(name.removeprefix(PREFIX), **keywords, **_keywords_of(name))
    _drop_deeper_blocks(network)
    return network.eval()


@cache
def _keywords_of(name: str) -> Mapping[str, Any]:
    """The first of `_KEYWORDS` that a model knows."""
    for keywords in _KEYWORDS:
        try:
            timm.create_model(name.removeprefix(PREFIX), features_only=True, **keywords)
        except (TypeError, KeyError, AttributeError, RuntimeError, AssertionError) as error:
            problem = str(error).partition("\n")[0]
            continue
        return keywords
    raise FirstsightError(f"{name} cannot be used: timm returns no maps of it ({problem})")


def require_fitting(name: str, state_dict: Mapping[str, Tensor]) -> None:
    """Raise a WeightsError if a state dict is not one of the whole network, with any number of classes or none."""
    classifier = getattr(timm.get_pretrained_cfg(name.removeprefix(PREFIX)), "classifier", None)
    overlay = _overlay(state_dict)
    if isinstance(classifier, str):
        weight = state_dict.get(f"{classifier}.weight")
        overlay["num_classes"] = 0 if weight is None else len(weight)
    try:
        timm.create_model(name.removeprefix(PREFIX), pretrained=True, pretrained_cfg_overlay=overlay)
    except (RuntimeError, KeyError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = lines[1] if len(lines) > 1 else lines[0]
        raise WeightsError(f"the weights are not those of {name}: {reason[:200]}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep timm from warning of the classifier, which no map needs."""
    logger = logging.getLogger("timm.models._builder")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


def _overlay(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    return {"state_dict": dict(state_dict), "label_offset": 0}


def _prepared(
    name: str, indices: list[int], border: str, state_dict: Mapping[str, Tensor], device: torch.device
) -> Any:
    """The network, ready for inference, with its batch normalisations folded where that changes nothing."""
    network = make_network(name, indices, state_dict)
    side = 2 * max(network.feature_info.reduction())
    image = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    try:
        # Not in inference mode, whose tensors can have no gradients, which are what measuring takes.
        with torch.no_grad():
            expected = network(image)
            fold_normalisations(network)
            folded = network(image)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).partition("\n")[0]
        raise FirstsightError(f"{name} cannot be used: it does not take images of every size ({reason})") from error
    # A map may be missing, where it was taken from a normalisation that is gone.
    if len(folded) < len(expected) or not all(map(_are_close, expected, folded)):
        network = make_network(name, indices, state_dict)
    if border == "reflect":
        _reflect_same(network)
    prepare_trunk(network, border=border, device=device)
    return network


def _are_close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= _FOLDED * one.abs().max())


def _reflect_same(parent: nn.Module) -> None:
    """Let convolutions with TensorFlow's SAME padding (`same_padding`) reflect the map instead of adding zeros."""
    for name, child in parent.named_children():
        if type(child) is not Conv2dSame:
            _reflect_same(child)
            continue
        tall, wide = (
            same_padding((kernel - 1) * dilation + 1, stride)
            for kernel, dilation, stride in zip(child.kernel_size, child.dilation, child.stride, strict=True)
        )
        # Whoever holds the convolution itself (a hook) still gets its output.
        child.__class__ = nn.Conv2d  # type: ignore[assignment]
        setattr(parent, name, nn.Sequential(nn.ReflectionPad2d(wide + tall), child))


def _drop_deeper_blocks(network: Any) -> None:
    """Remove the blocks of an EfficientNet behind the last from which a map is taken: timm would run them all."""
    places = [re.match(r"blocks\.(\d+)", module) for module in network.feature_info.module_name()]
    blocks = getattr(network, "blocks", None)
    # Only the classes for EfficientNets have hooks; others end with the last map by themselves.
    if hasattr(network, "feature_hooks") and isinstance(blocks, nn.Sequential) and places[-1]:
        network.blocks = blocks[: int(places[-1].group(1)) + 1]
