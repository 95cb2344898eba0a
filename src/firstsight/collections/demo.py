"""The demo collection: tiles of a real photograph, some with a synthetic defect, in the MVTec layout.

The photographs are brick, grass and gravel (512 x 512, grey), which come with the scikit-image package, so nothing is
downloaded. A collection shows one texture only: if textures were mixed, clusters would follow the texture instead of
the defect. Images here are (H, W) float64 in [0, 1], masks (H, W) bool.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import skimage.data
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from firstsight.collections.readers import ImageFile
from firstsight.errors import FirstsightError
from firstsight.storage.replacing import replace_file

GOOD = "good"
"""The kind of tiles without a defect."""

Pixels = NDArray[np.float64]
Mask = NDArray[np.bool_]

PHOTOGRAPHS: dict[str, Callable[[], NDArray[np.uint8]]] = {
    "brick": skimage.data.brick,
    "grass": skimage.data.grass,
    "gravel": skimage.data.gravel,
}
PATCHED_WITH = {"brick": "grass", "grass": "brick", "gravel": "brick"}
"""The photograph that patches are cut from: gravel at the contrast of grass would hardly be visible in grass."""
PHOTOGRAPH_SIZE = 512
SMALLEST_TILE = 64

VISIBLE_DARKENING = 0.1
"""A stain counts as anomalous where it absorbs at least this share of the light; less is hard to see in a texture."""


@dataclass(frozen=True)
class DemoSettings:
    """What a demo collection contains."""

    texture: str = "brick"
    """A key of `PHOTOGRAPHS`."""
    tile_size: int = 256
    """Height and width of a tile in pixels, 64 to 512."""
    good: int = 12
    """Tiles without a defect: more than there are defective ones, or nobody could say what is normal."""
    per_defect: int = 3
    """Defective tiles for each kind in `DEFECTS`."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.texture not in PHOTOGRAPHS:
            raise FirstsightError(f"unknown demo texture '{self.texture}': choose {', '.join(PHOTOGRAPHS)}")
        if not SMALLEST_TILE <= self.tile_size <= PHOTOGRAPH_SIZE:
            raise FirstsightError(f"demo tile_size must be {SMALLEST_TILE} to {PHOTOGRAPH_SIZE}, not {self.tile_size}")
        if self.good < 0 or self.per_defect < 0 or self.good + self.per_defect == 0:
            raise FirstsightError(f"a demo of {self.good} good tiles and {self.per_defect} of a defect holds no image")
        if self.seed < 0:
            raise FirstsightError(f"demo seed must not be negative: {self.seed}")


def list_demo(folder: Path, settings: DemoSettings) -> tuple[ImageFile, ...]:
    """The images that `make_demo` will write; the same as `list_collection(folder)` afterwards."""
    return tuple(
        ImageFile(
            image=f"test/{kind}/{name}.png",
            path=_image_path(folder, kind, name),
            label=kind,
            masks=() if kind == GOOD else (_mask_path(folder, kind, name),),
            problem=None,
            normal=kind == GOOD,
        )
        for kind, name in sorted(_names(settings))
    )


def make_demo(folder: Path, settings: DemoSettings) -> None:
    """Write `test/<kind>/NNN.png` and `ground_truth/<kind>/NNN_mask.png` (8-bit grey; 0 and 255) below `folder`.

    The same settings give the same pixels. No file is ever half-written.
    """
    for index, (kind, name) in enumerate(_names(settings)):
        generator = np.random.default_rng((settings.seed, list(PHOTOGRAPHS).index(settings.texture), index))
        tile = cut_tile(settings.texture, settings.tile_size, generator)
        if kind != GOOD:
            tile, mask = DEFECTS[kind](tile, settings.texture, generator)
            _write(_mask_path(folder, kind, name), mask.astype(np.uint8) * 255)
        _write(_image_path(folder, kind, name), to_bytes(tile))


def cut_tile(texture: str, size: int, generator: Generator) -> Pixels:
    """A random crop of `size` x `size` pixels from a photograph, randomly flipped along either axis."""
    photograph = PHOTOGRAPHS[texture]().astype(np.float64) / 255
    top, left = generator.integers(0, PHOTOGRAPH_SIZE - size, size=2, endpoint=True)
    tile = photograph[top : top + size, left : left + size]
    down, right = generator.choice([-1, 1], size=2)
    return np.ascontiguousarray(tile[::down, ::right])


def add_crack(tile: Pixels, texture: str, generator: Generator) -> tuple[Pixels, Mask]:
    """Add a thin dark line: a random walk that drifts and kinks, of varying width, thinner at its ends.

    Returns:
        The tile with the crack, and the mask: every pixel that the line touches.
    """
    size = len(tile)
    steps = int(size * generator.uniform(0.22, 0.32))
    heading = generator.uniform(0, 2 * np.pi)
    kinks = generator.normal(0, 0.9, steps) * (generator.random(steps) < 0.25)
    headings = heading + np.cumsum(generator.normal(0, 0.12, steps)) + np.cumsum(kinks) * 0.5 + kinks
    path = np.cumsum(2.5 * np.stack([np.sin(headings), np.cos(headings)], axis=1), axis=0)
    path += generator.uniform(0.42, 0.58, 2) * size - (path.min(axis=0) + path.max(axis=0)) / 2
    along = np.linspace(0, 1, steps)
    wobble = ndimage.gaussian_filter1d(generator.normal(0, 1, steps), 1.5)
    radii = np.clip(2.0 + 1.2 * wobble, 1.0, 3.4) * (0.45 + 0.55 * np.sin(np.pi * along))
    cover = _stroke(tile.shape, path, radii * size / 256)
    dark = 0.3 * np.quantile(tile, 0.05)
    return tile + cover * (np.minimum(tile, dark) - tile), cover > 0


def add_stain(tile: Pixels, texture: str, generator: Generator) -> tuple[Pixels, Mask]:
    """Add an irregular spot with a soft edge, darker and slightly blurred, like a stain of oil or water.

    Returns:
        The tile with the stain, and the mask: where the stain absorbs at least `VISIBLE_DARKENING` of the light.
    """
    shape = _blob(tile.shape, generator.uniform(0.10, 0.15), generator)
    darkening = generator.uniform(0.40, 0.55) / (1 + np.exp(-shape / 0.09))
    darkening[darkening < 0.02] = 0
    weight = darkening / darkening.max()
    blurred = ndimage.gaussian_filter(tile, 1.2, mode="reflect")
    return (tile + weight * (blurred - tile)) * (1 - darkening), darkening >= VISIBLE_DARKENING


def add_patch(tile: Pixels, texture: str, generator: Generator) -> tuple[Pixels, Mask]:
    """Add an irregular patch of another photograph, with the mean and standard deviation of what it covers.

    Returns:
        The tile with the patch, and the mask: every pixel that the patch covers, its soft edge (2 pixels) included.
    """
    other = cut_tile(PATCHED_WITH[texture], len(tile), generator)
    shape = _blob(tile.shape, generator.uniform(0.10, 0.14), generator)
    distance = ndimage.distance_transform_edt(shape > 0)
    cover = np.clip(distance / 3, 0, 1)
    inside = cover > 0
    matched = (other - other[inside].mean()) / other[inside].std() * tile[inside].std() + tile[inside].mean()
    return tile + cover * (np.clip(matched, 0, 1) - tile), inside


DEFECTS = {"crack": add_crack, "patch": add_patch, "stain": add_stain}


def to_bytes(tile: Pixels) -> NDArray[np.uint8]:
    """Map [0, 1] to 0..255, rounded."""
    return np.rint(np.clip(tile, 0, 1) * 255).astype(np.uint8)


def _stroke(shape: tuple[int, ...], path: Pixels, radii: Pixels) -> Pixels:
    """How much of each pixel, 0 to 1, a line through the points `path` (N, 2; y, x) with these radii (N,) covers."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    cover = np.zeros(shape)
    for start, end, radius in zip(path[:-1], path[1:], radii[:-1], strict=True):
        along = end - start
        fraction = ((rows - start[0]) * along[0] + (columns - start[1]) * along[1]) / (along @ along)
        fraction = np.clip(fraction, 0, 1)
        distance = np.hypot(rows - start[0] - fraction * along[0], columns - start[1] - fraction * along[1])
        cover = np.maximum(cover, np.clip(radius + 0.5 - distance, 0, 1))
    return cover


def _blob(shape: tuple[int, ...], radius: float, generator: Generator) -> Pixels:
    """A field that is above 0 inside an irregular blob around a random centre near the middle, and falls off outwards.

    `radius` is the blob's mean radius as a fraction of the tile's size, and roughly the unit of the field's values.
    """
    size = shape[0]
    centre = generator.uniform(0.3, 0.7, 2)
    rows, columns = np.mgrid[: shape[0], : shape[1]] / size
    stretch = generator.uniform(0.75, 1.3)
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    away = np.hypot((rows - centre[0]) * stretch, (columns - centre[1]) / stretch)
    outline = sum(
        generator.normal(0, 0.22 / order) * np.cos(order * angle + generator.uniform(0, 2 * np.pi))
        for order in range(2, 7)
    )
    return np.asarray(1 + np.clip(outline, -0.5, 0.5) - away / radius)


def _names(settings: DemoSettings) -> Iterator[tuple[str, str]]:
    """The kind and name of every image, in the order in which they are made."""
    for kind, count in {GOOD: settings.good, **dict.fromkeys(DEFECTS, settings.per_defect)}.items():
        for number in range(count):
            yield kind, f"{number:03d}"


def _image_path(folder: Path, kind: str, name: str) -> Path:
    return folder / "test" / kind / f"{name}.png"


def _mask_path(folder: Path, kind: str, name: str) -> Path:
    return folder / "ground_truth" / kind / f"{name}_mask.png"


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    replace_file(path, lambda beside: Image.fromarray(pixels).save(beside, format="PNG"))
