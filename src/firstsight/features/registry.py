"""Which extractors there are, their layers, and where the cells of a layer lie on the image.

This file imports no torch: the workflow reads it when it plans. A new extractor is a file with a function ``build``
(the protocol is ``Builder`` in ``extractor.py``) and an entry in ``EXTRACTORS``.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from firstsight.errors import FirstsightError

BORDERS = ("reflect", "paper")


@dataclass(frozen=True)
class Layer:
    """The geometry of a layer: cell i is centred at pixel ``offset + stride * i`` (pixel 0 has its centre at 0).

    An image of N pixels a side has ceil((N - 2 * offset) / stride) cells a side: ceil(N / stride) where cell 0 lies on
    the first pixel, floor(N / stride) where cells lie amid blocks of stride x stride pixels and an unfinished block at
    the end has none.

    Attributes:
        stride: distance of neighbouring cells, in input pixels.
        offset: centre of cell 0, in input pixels.
        smallest_side: shortest image side, in pixels, for which every reflecting padding up to this layer is defined.
        reach: how far from its centre a cell depends on the image, in pixels.
    """

    stride: int
    offset: float
    smallest_side: int
    reach: int


@dataclass(frozen=True)
class ExtractorSpec:
    """What is known about an extractor before it is built.

    Attributes:
        layers: its layers by name, from shallow to deep.
        default_layers: those computed when none are asked for.
        context_layers: the layers for methods that look at more of a cell's surroundings; empty: the default ones.
        normal_layers: the layers for methods that learn from normal images; empty: the default ones.
        version: version of the code path; part of every fingerprint, so raise it when the numbers change.
        module: dotted name of the file whose function ``build`` makes the extractor.
        least_side: with ``image_size: auto``, images are enlarged until their shorter side has this many pixels; None:
            they stay as they are.
        weights: torchvision's names of its weights and of their files, whose names end in the first eight hexadecimal
            digits of the sha256; the default first; empty: it has no weights.
    """

    layers: Mapping[str, Layer]
    default_layers: tuple[str, ...]
    version: int
    module: str
    least_side: int | None = None
    context_layers: tuple[str, ...] = ()
    normal_layers: tuple[str, ...] = ()
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs_weights(self) -> bool:
        """Whether the extractor is a network whose weights must be had from somewhere."""
        return bool(self.weights)

    def own_layers(self, *, context: bool = False, normal: bool = False) -> tuple[str, ...]:
        """The layers that a method reads where none are asked for: of its kind, or the default ones.

        Args:
            context: whether the method looks at more of a cell's surroundings.
            normal: whether it learns from normal images; ``context`` goes before that.
        """
        chosen = self.context_layers if context else self.normal_layers if normal else ()
        return chosen or self.default_layers


# Every convolution and pooling of a ResNet is padded by half its kernel, so cell i of stride s is centred at pixel s *
# i. The 3x3 convolutions that reflect at stride s need two cells there, that is, s + 1 pixels.
def _resnet_layers(convolutions: Mapping[str, int]) -> dict[str, Layer]:
    """The stages of a ResNet, each of so many 3x3 convolutions; after layer1 the first of them halves the map."""
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
    """Every position of VGG19's trunk.

    Its poolings are not padded, so each joins 2 x 2 cells into one between them: cell i of stride s is centred at pixel
    s * i + (s - 1) / 2. The 3x3 convolutions that reflect at stride s need two cells there, that is, 2 s pixels.
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
        layers[f"features.{position}"] = Layer(stride, (stride - 1) / 2, smallest_side, math.ceil(reach))
    return layers


EXTRACTORS: dict[str, ExtractorSpec] = {
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


def find_extractor(name: str) -> ExtractorSpec:
    """The entry of ``EXTRACTORS`` under this name; raises FirstsightError with the choices where there is none."""
    if name not in EXTRACTORS:
        raise FirstsightError(f"unknown extractor {name!r}: choose one of {', '.join(EXTRACTORS)}")
    return EXTRACTORS[name]


def find_layers(name: str, layers: Iterable[str] | None = None) -> tuple[str, ...]:
    """The layers asked of an extractor, each once, from shallow to deep; None asks for its default layers.

    Raises:
        FirstsightError: an unknown extractor or layer (the text lists the choices), or no layer at all.
    """
    spec = find_extractor(name)
    asked = spec.default_layers if layers is None else (layers,) if isinstance(layers, str) else tuple(layers)
    choices = ", ".join(spec.layers)
    for layer in asked:
        if layer not in spec.layers:
            raise FirstsightError(f"unknown layer {layer!r} of extractor {name}: choose from {choices}")
    if not asked:
        raise FirstsightError(f"no layer of extractor {name} was asked for: choose from {choices}")
    return tuple(layer for layer in spec.layers if layer in asked)
