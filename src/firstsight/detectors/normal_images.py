"""What the detectors that learn from normal images have in common: these images, one at a time, from their stores."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from firstsight.blind.images import Stored, stored_images
from firstsight.detectors.geometry import Geometry
from firstsight.detectors.layers import finest_layer
from firstsight.errors import FirstsightError


class NormalImage(NamedTuple):
    """One image that is learned from: its id, {layer: (C, h, w)}, and how each layer lies on it."""

    image: str
    features: dict[str, Tensor]
    places: dict[str, Geometry]


def list_normal_images(shards: Sequence[Path]) -> list[Stored]:
    """Reader and key of every image that has features, in the order of the shards.

    Raises:
        FirstsightError: there is none, or a shard is not whole.
    """
    found = list(stored_images(shards))
    if not found:
        raise FirstsightError("none of the images to learn from can be used: see the log of this job")
    return found


def read_normal_image(stored: Stored, layers: Sequence[str], device: str | torch.device = "cpu") -> NormalImage:
    """The features of one image, on a device."""
    reader, key = stored
    attributes = reader.attributes(key)
    return NormalImage(
        image=str(attributes["image"]),
        features={layer: torch.from_numpy(reader.read(key, layer)).to(device) for layer in layers},
        places={layer: Geometry(**attributes["geometry"][layer]) for layer in layers},
    )


def read_normal_images(stored: Sequence[Stored], layers: Sequence[str], device: str) -> Iterator[NormalImage]:
    """The images one after the other; no more than one is held."""
    for each in stored:
        yield read_normal_image(each, layers, device)


def input_sizes(stored: Sequence[Stored], layer: str) -> set[tuple[int, int]]:
    """The (height, width) with which the images entered the extractor, without reading any features."""
    places = (reader.attributes(key)["geometry"][layer] for reader, key in stored)
    return {(place["input_height"], place["input_width"]) for place in places}


def finest_stride(places: Mapping[str, Geometry]) -> float:
    """The stride of the grid on which layers are joined."""
    return places[finest_layer(places)].stride
