"""Gravel with defects as the default network sees it, for tests of detectors that made-up numbers cannot show."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from firstsight.collections.demo import GOOD, DemoSettings, list_demo, make_demo
from firstsight.collections.images import read_image, read_mask
from firstsight.evaluation.localization import auroc
from firstsight.features import load_extractor
from firstsight.stages.features import resize_image
from firstsight.storage.geometry import Geometry, map_to_pixels
from firstsight.storage.store import ShardWriter

TEXTURE = DemoSettings(texture="gravel", tile_size=256, good=6, per_defect=2)
INPUT = 384
"""Pixels that the sides of an image have when it enters the network."""
KNOWN = 4
"""Good tiles that detectors may learn from; the others are searched."""


@dataclass(frozen=True)
class Tile:
    """A tile: its features by layer (C, h, w) float32, where they lie, its kind and its mask (256, 256) bool."""

    features: Mapping[str, torch.Tensor]
    places: Mapping[str, Geometry]
    kind: str
    mask: NDArray[np.bool_]

    def of(self, layers: Sequence[str]) -> tuple[dict[str, torch.Tensor], dict[str, Geometry]]:
        """The features of some layers, and where they lie, as detectors take them."""
        return {layer: self.features[layer] for layer in layers}, {layer: self.places[layer] for layer in layers}


def make_tiles(folder: Path) -> dict[str, Tile]:
    """Make the demo in ``folder``; its tiles by their ids."""
    make_demo(folder, TEXTURE)
    extractor = load_extractor("efficientnet_lite0", layers=("stage1", "stage2", "stage3"))
    tiles = {}
    for file in list_demo(folder, TEXTURE):
        image = torch.from_numpy(read_image(file.path)).permute(2, 0, 1)[None]
        features = {layer: maps[0] for layer, maps in extractor(resize_image(image, (INPUT, INPUT))).items()}
        height, width = image.shape[2:]
        places = {
            layer: Geometry(height, width, INPUT, INPUT, extractor.strides[layer], extractor.offsets[layer])
            for layer in features
        }
        mask = read_mask(file.masks[0]) if file.masks else np.zeros((height, width), np.bool_)
        tiles[file.image] = Tile(features, places, str(file.label), mask)
    return tiles


def known_and_searched(tiles: Mapping[str, Tile]) -> tuple[dict[str, Tile], dict[str, Tile]]:
    """Good tiles to learn from, and all others."""
    good = [image for image, tile in tiles.items() if tile.kind == GOOD][:KNOWN]
    return {image: tiles[image] for image in good}, {image: tiles[image] for image in tiles if image not in good}


def write_tiles(path: Path, tiles: Mapping[str, Tile], layers: Sequence[str]) -> Path:
    """A store of the tiles' features, as the stage features leaves it."""
    with ShardWriter(path, dtype="float32") as writer:
        for index, (image, tile) in enumerate(tiles.items()):
            features, places = tile.of(layers)
            geometry = {layer: asdict(place) for layer, place in places.items()}
            attributes: dict[str, object] = {"image": image, "token": image, "status": "ok", "geometry": geometry}
            writer.add(f"{index:05d}", image, {layer: maps.numpy() for layer, maps in features.items()}, attributes)
    return path


def auroc_of(tiles: Mapping[str, Tile], maps: Mapping[str, torch.Tensor], layer: str) -> float:
    """Area under the ROC curve over all pixels of maps that lie on the cells of a layer."""
    return auroc(
        [tiles[image].mask for image in maps],
        [map_to_pixels(cells.numpy(), tiles[image].places[layer]) for image, cells in maps.items()],
    )
