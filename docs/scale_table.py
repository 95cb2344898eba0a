"""Two tests of the scale that is found, as Markdown: against a grid of fixed scales, and on copies of other sizes.

    python docs/scale_table.py DATA [--extractor resnet18 --weights FILE] [--images 10] [--sets NAME...] [--grid]

DATA holds collections in the layout of MVTec AD. From each a few images are taken, evenly from all kinds; what is
measured is whole-frame PRO of `fca` with default settings, and for the grid that of its layer of stride 8 alone.
"""

import argparse
from collections.abc import Iterator
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from firstsight.collections.images import read_image
from firstsight.collections.listing import list_collection
from firstsight.collections.masks import read_masks
from firstsight.collections.readers import ImageFile
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.registry import DETECTORS
from firstsight.evaluation.localization import pro_from_statistics
from firstsight.evaluation.localization_statistics import localization_statistics
from firstsight.features import Extractor, load_extractor
from firstsight.features.input_size import input_size
from firstsight.features.texture_scale import Scale, Size
from firstsight.features.tiling import extract_tiled
from firstsight.plan.settings import FeatureSettings
from firstsight.stages.features import resize_image
from firstsight.stages.scale import SAMPLED_IMAGES, measure_scale, take_sample
from firstsight.storage.geometry import Geometry, map_to_pixels

FACTORS = (0.5, 1.0, 2.0, 3.0)
GRID_PATCHES = (3, 5, 9, 15)
GRID_STRIDE = 8
GRID_SIZES = (0, 512, 384)
"""Shorter sides; 0: native."""

Image = tuple[torch.Tensor, NDArray[np.bool_]]


def main() -> None:
    """Print a row for each collection."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--extractor", default="efficientnet_lite0")
    parser.add_argument("--weights")
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--grid", action="store_true", help="compare with fixed scales, which takes longer")
    arguments = parser.parse_args()
    extractor = load_extractor(arguments.extractor, weights=arguments.weights)
    settings = FeatureSettings(extractor=arguments.extractor, weights=arguments.weights).model_dump()
    copies = [f"x {factor:g}" for factor in FACTORS]
    fixed = ["best fixed scale", "its T and size"] if arguments.grid else []
    columns = ["collection", "windows", *copies, *fixed]
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    for name in arguments.sets or sorted(path.name for path in arguments.data.iterdir() if path.is_dir()):
        images = list(_images(arguments.data / name, arguments.images))
        scales = {factor: _found(images, factor, settings) for factor in FACTORS}
        scores = {factor: _pro(images, extractor, factor, scale) for factor, scale in scales.items()}
        row = [name, _windows(images, scales[1.0], extractor), *(f"{100 * score:.1f}" for score in scores.values())]
        if arguments.grid:
            best, patch_size, side = max(_grid(images, extractor))
            row += [f"{100 * best:.1f}", f"{patch_size}, {side or 'native'}"]
        print("| " + " | ".join(row) + " |", flush=True)


def _images(folder: Path, count: int) -> Iterator[Image]:
    """Images with their masks, one of each kind in turn."""
    kinds: dict[str, list[ImageFile]] = {}
    for file in list_collection(folder, "mvtec").files:
        if file.path.parent.parent.name == "test":
            kinds.setdefault(file.path.parent.name, []).append(file)
    # Neighbours in a folder are often near-copies.
    spread = [files[:: max(1, len(files) // count)] for _, files in sorted(kinds.items())]
    for file in [file for file in chain(*zip_longest(*spread)) if file is not None][:count]:
        image = read_image(file.path)
        mask = read_masks(file.masks) if file.masks else np.zeros(image.shape[:2], bool)
        yield torch.from_numpy(image).permute(2, 0, 1)[None], mask


def _resized(image: torch.Tensor, factor: float) -> torch.Tensor:
    height, width = image.shape[2:]
    return resize_image(image, (round(height * factor), round(width * factor)))


def _found(images: list[Image], factor: float, settings: dict[str, Any]) -> Scale:
    sampled = [_resized(image, factor)[0].permute(1, 2, 0).numpy() for image, _ in images[:SAMPLED_IMAGES]]
    return measure_scale([take_sample(image) for image in sampled], settings)


def _windows(images: list[Image], scale: Scale, extractor: Extractor) -> str:
    """The side of the windows, in pixels of the images."""
    height, width = images[0][0].shape[2:]
    size = input_size(height, width, "auto", least_side=extractor.spec.least_side, scale=scale)
    return f"{scale.window * height / size[0]:.0f}"


def _pro(images: list[Image], extractor: Extractor, factor: float, scale: Scale) -> float:
    """PRO on copies of the images, enlarged or reduced by the factor; maps are compared with the masks as they are."""
    maps, masks = [], []
    for image, mask in images:
        copy = _resized(image, factor)
        height, width = copy.shape[2:]
        size = input_size(height, width, "auto", least_side=extractor.spec.least_side, scale=scale)
        features, places = _features(copy, size, mask.shape, extractor, scale.window)
        maps.append(_map(features, places))
        masks.append(mask)
    return pro_from_statistics(localization_statistics(masks, maps))


def _grid(images: list[Image], extractor: Extractor) -> Iterator[tuple[float, int, int]]:
    """PRO at each fixed scale: T of the layer of stride 8, and the shorter side (0: native)."""
    layer = next(layer for layer, stride in extractor.strides.items() if stride == GRID_STRIDE)
    for side in GRID_SIZES:
        computed = []
        for image, mask in images:
            height, width = image.shape[2:]
            factor = side / min(height, width) if side else 1
            size = (round(height * factor), round(width * factor))
            computed.append(_features(image, size, mask.shape, extractor, None))
        for patch_size in GRID_PATCHES:
            maps = [_map({layer: features[layer]}, places, patch_size) for features, places in computed]
            yield pro_from_statistics(localization_statistics([mask for _, mask in images], maps)), patch_size, side


def _features(
    image: torch.Tensor, size: Size, shape: tuple[int, ...], extractor: Extractor, window: float | None
) -> tuple[dict[str, torch.Tensor], dict[str, Geometry]]:
    """Features of an image that enters at a size, and where they lie on the image of that shape."""
    features = {layer: value[0] for layer, value in extract_tiled(extractor, resize_image(image, size)).items()}
    height, width = shape
    places = {
        layer: Geometry(height, width, *size, extractor.strides[layer], extractor.offsets[layer], window)
        for layer in features
    }
    return features, places


def _map(
    features: dict[str, torch.Tensor], places: dict[str, Geometry], patch_size: int | None = None
) -> NDArray[np.float32]:
    """FCA's map of the whole image; where a map has fewer cells than a patch, the patch is as large as the map."""
    detector = DETECTORS["fca"]
    if patch_size is not None:
        shortest = min(min(values.shape[1:]) for values in features.values())
        patch_size = min(patch_size, shortest - 1 + shortest % 2)
    anomaly_map = detector.detect(features, places, detector.settings(patch_size=patch_size))
    return map_to_pixels(anomaly_map.numpy(), places[finest_layer({layer: places[layer] for layer in features})])


if __name__ == "__main__":
    main()
