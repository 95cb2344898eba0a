"""What the detectors that learn from normal images share: reading these one at a time, their cells, and PFAM.

`fit` of such a detector (see `firstsight.detectors.protocol`) begins with `open_normal_images` and ends with
`NormalImages.model`; `detect` begins with `attend_as_learned` and ends with `smooth_map`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from firstsight.detectors.layers import finest_layer, join_layers
from firstsight.detectors.pfam import Pfam, PfamSettings, build_pfam
from firstsight.detectors.protocol import Model
from firstsight.detectors.windows import smooth, window_means
from firstsight.errors import FirstsightError
from firstsight.settings_model import Layers, NotNegative, Seed, SettingsModel
from firstsight.storage.geometry import Geometry
from firstsight.storage.stored_images import Stored, stored_images
from firstsight.storage.training import Note


class NormalSettings(SettingsModel):
    """What the detectors that learn from normal images have in common."""

    layers: Layers | None = None
    """Feature layers; null: the extractor's own choice."""
    sigma: NotNegative = 4.0
    """Deviation of the Gaussian that smooths the map, pixels of the input; 0: none."""
    pfam: bool = False
    """Whether features pass PFAM first (`firstsight.detectors.pfam`)."""
    sbm: bool = False
    """Whether the features are of an extractor that was tuned to the normal images (`firstsight.features.sbm`)."""
    seed: Seed = 0
    """Of everything random."""


class NormalImage(NamedTuple):
    """An image to learn from: its id, its features {layer: (C, h, w)}, and how each layer lies on it."""

    image: str
    features: dict[str, Tensor]
    places: dict[str, Geometry]


@dataclass(frozen=True)
class NormalImages:
    """The normal images that a detector learns from; their features come after PFAM where the settings ask for it.

    Attributes:
        stored: reader and key of every image, at least one.
        layers: the layers to read.
        device: for the features.
        pfam: untrained.
    """

    stored: Sequence[Stored]
    layers: Sequence[str]
    device: str
    pfam: Pfam | None

    def __len__(self) -> int:
        return len(self.stored)

    def first(self) -> NormalImage:
        """The first image."""
        return next(iter(self))

    def __iter__(self) -> Iterator[NormalImage]:
        """One image after the other; only one is in memory at a time."""
        for image in read_normal_images(self.stored, self.layers, self.device):
            with torch.no_grad():
                attended = attend(image.features, self.pfam)
            yield image._replace(features=attended)

    def model(self, says: str, note: Note, **learned: Any) -> Model:
        """What a detector learned from the images, for `protocol.Detect`.

        Args:
            says: a line on what was learned, which is noted too.
            note: takes that line for the log.
            learned: whatever else the detector learned.
        """
        note(says)
        return {"n_images": len(self), "says": says, **learned, "pfam": pack_pfam(self.pfam)}


def open_normal_images(
    shards: Sequence[Path], layers: Sequence[str], settings: NormalSettings, device: str
) -> NormalImages:
    """The images of all shards that have features, and PFAM for them where the settings ask for it.

    Raises:
        FirstsightError: none of the images can be used, or a shard is not whole.
    """
    stored = stored_images(shards)
    if not stored:
        raise FirstsightError("none of the images to learn from can be used: see the log of this job")
    pfam = start_pfam(read_normal_image(stored[0], layers, device), settings.seed) if settings.pfam else None
    return NormalImages(stored, layers, device, pfam)


def attend_as_learned(features: Mapping[str, Tensor], model: Model) -> dict[str, Tensor]:
    """The features {layer: (C, h, w)} of an image, treated like those that the model was learned from."""
    return attend(features, unpack_pfam(model["pfam"], next(iter(features.values())).device))


def smooth_map(values: Tensor, settings: NormalSettings, places: Mapping[str, Geometry]) -> Tensor:
    """A map (h, w) on the grid of the joined layers, smoothed as the settings say."""
    return smooth(values, settings.sigma / places[finest_layer(places)].stride)


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
    """The images one after the other; only one is in memory at a time."""
    for image in stored:
        yield read_normal_image(image, layers, device)


def input_sizes(stored: Sequence[Stored], layer: str) -> set[tuple[int, int]]:
    """The sizes (height, width) with which the images entered the extractor, without reading any features."""
    places = (reader.attributes(key)["geometry"][layer] for reader, key in stored)
    return {(place["input_height"], place["input_width"]) for place in places}


def aware_cells(features: Mapping[str, Tensor], places: Mapping[str, Geometry]) -> Tensor:
    """(C, h, w): all layers joined, where every cell is the mean over its 3 x 3 neighbours that lie on the image."""
    pooled = {layer: window_means(values.float(), 3) for layer, values in features.items()}
    return join_layers(pooled, places)


@dataclass(frozen=True)
class DrawnCells:
    """Some cells of some images.

    Attributes:
        cells: (n, C) float32.
        owners: (n,) the index of each cell's image.
        images: ids.
        seen: how many cells there were to draw from.
    """

    cells: Tensor
    owners: Tensor
    images: tuple[str, ...]
    seen: int


def draw_cells(
    images: Iterable[NormalImage], count: int, seed: int, describe: Callable[[NormalImage], Tensor]
) -> DrawnCells:
    """Draw cells at random from those of all images, all equally likely; all are taken where there are fewer.

    Every cell gets a random number, and the cells with the smallest are kept. That takes one pass, with ``count`` cells
    and one image in memory.

    Args:
        images: at least one.
        count: how many cells.
        seed: of the random numbers.
        describe: makes the cells (C, h, w) of an image.
    """
    generator = torch.Generator().manual_seed(seed)
    names, seen = [], 0
    kept: list[Tensor] = []
    for index, image in enumerate(images):
        cells = describe(image).flatten(1).T
        numbers = torch.rand(len(cells), dtype=torch.float64, generator=generator).to(cells.device)
        columns = [cells, torch.full((len(cells),), index, device=cells.device), numbers]
        if kept:
            columns = [torch.cat(both) for both in zip(kept, columns, strict=True)]
        # In the order in which they were seen.
        order = columns[2].argsort()[:count].sort().values
        kept = [column[order] for column in columns]
        names.append(image.image)
        seen += len(cells)
    return DrawnCells(kept[0], kept[1], tuple(names), seen)


def start_pfam(image: NormalImage, seed: int) -> Pfam:
    """An untrained PFAM for images like this one, on its device; the finest layer comes first."""
    layers = sorted(image.features, key=lambda layer: image.places[layer].stride)
    channels = {layer: len(image.features[layer]) for layer in layers}
    return build_pfam(channels, PfamSettings(seed=seed)).to(image.features[layers[0]].device)


def attend(features: Mapping[str, Tensor], pfam: Pfam | None) -> dict[str, Tensor]:
    """The features {layer: (C, h, w)} of one image, float32, after PFAM where there is one."""
    maps = {layer: values.float() for layer, values in features.items()}
    if pfam is None:
        return maps
    attended = pfam({layer: values[None] for layer, values in maps.items()})
    return {layer: attended[layer][0] for layer in maps}


def pack_pfam(pfam: Pfam | None) -> dict[str, Any] | None:
    """PFAM as tensors, numbers and text, for a model."""
    if pfam is None:
        return None
    # The finest layer leaves PFAM with twice its channels.
    channels = {layer: count // 2 if layer == pfam.layers[0] else count for layer, count in pfam.channels.items()}
    return {"channels": channels, "state": {name: value.cpu().clone() for name, value in pfam.state_dict().items()}}


def unpack_pfam(packed: Mapping[str, Any] | None, device: torch.device) -> Pfam | None:
    """What `pack_pfam` packed, on a device."""
    if packed is None:
        return None
    with torch.device("meta"):
        pfam = Pfam(packed["channels"], PfamSettings())
    pfam.load_state_dict(packed["state"], assign=True)
    return pfam.to(device)
