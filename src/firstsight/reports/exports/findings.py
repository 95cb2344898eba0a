"""What every format receives: the findings of one detector in a collection."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from firstsight.reports.overlays import overlay_name

UNSORTED = "unsorted"
"""The cluster name of an image or a region without a cluster."""


@dataclass(frozen=True)
class ImageEntry:
    """One image with a map, before the map is read.

    ``cluster`` is None and ``cluster_name`` is `UNSORTED` if the image is in no cluster; lengths are in pixels.
    ``path`` is that of its file, absolute, or its address within a stack.
    """

    image: str
    height: int
    width: int
    cluster: int | None
    cluster_name: str
    path: str


@dataclass(frozen=True)
class Plane:
    """Images of a collection by likeness, all or a sample.

    Args:
        images: their names.
        points: x and y of each.
        near: for each, the places in ``images`` of those most like it, nearest first.
        distances: for each, how far these are.
    """

    images: Sequence[str] = ()
    points: Sequence[Sequence[float]] = ()
    near: Sequence[Sequence[int]] = ()
    distances: Sequence[Sequence[float]] = ()


@dataclass(frozen=True)
class Findings:
    """A collection as one detector sees it: the images that have a map, in their order of appearance.

    ``cluster_names`` are the distinct names of the regions' clusters, in the order of the clusters' numbers;
    ``settings`` are the detector's; ``threshold`` is None if no image has a map.
    """

    collection: str
    detector: str
    method: str
    settings: Mapping[str, Any]
    fingerprint: str
    threshold: float | None
    version: str
    cluster_names: Sequence[str]
    images: Sequence[ImageEntry]
    plane: Plane

    def header(self) -> dict[str, Any]:
        """What a file says about its origin, in values that JSON can hold."""
        return {
            "collection": self.collection,
            "detector": self.detector,
            "method": self.method,
            "settings": dict(self.settings),
            "fingerprint": self.fingerprint,
            "threshold": self.threshold,
            "version": self.version,
        }


@dataclass(frozen=True)
class RegionFinding:
    """One region: its number in the labels, its box and area in pixels, its largest score, its cluster."""

    region: int
    x: int
    y: int
    width: int
    height: int
    area: int
    score_max: float
    cluster: int | None
    cluster_name: str

    def mask(self, labels: NDArray[np.int32]) -> NDArray[np.bool_]:
        """The region's pixels within its box, (height, width), from the labels (H, W) of its image."""
        return labels[self.y : self.y + self.height, self.x : self.x + self.width] == self.region


@dataclass(frozen=True)
class ImageFindings:
    """One image after reading: its score, its map (H, W) in the map's units, and its regions.

    ``labels`` (H, W) int32 holds the number of every pixel's region, as in the table `regions`, or 0 if it has none.
    ``pixels`` reads the image itself: (H, W, 3) in [0, 1], NaN where a pixel is missing; None if its file is gone.
    """

    entry: ImageEntry
    score: float
    anomaly_map: NDArray[np.float32]
    labels: NDArray[np.int32]
    regions: Sequence[RegionFinding]
    pixels: Callable[[], NDArray[np.float32] | None]


def as_picture(pixels: NDArray[np.float32]) -> Image.Image:
    """Pixels (H, W, 3) in [0, 1] as a picture of 8 bits; missing ones are grey."""
    return Image.fromarray((np.nan_to_num(pixels, nan=0.5) * 255 + 0.5).astype(np.uint8))


def name_of(image: str) -> str:
    """The path of a copy of an image's file below a folder: the image's name, if that is safe on every system.

    >>> name_of("crack/019.jpg"), name_of("../019.jpg")
    ('crack/019.jpg', '019-4d5a2bc2a1d6.jpg')
    """
    if all(map(_is_plain, image.split("/"))):
        return image
    return overlay_name(image).removesuffix(".png") + PurePosixPath(image).suffix.lower()


def file_of(image: str, suffix: str) -> str:
    """The file of an image below a folder: the image's name plus ``suffix``, if that is safe on every system.

    A name that could lead out of the folder, that some file system cannot hold, or that could be the folder of another
    image's file is replaced by a plain name (see `overlay_name`).

        >>> file_of("crack/019.jpg", ".png"), file_of("../019.jpg", ".png")
        ('crack/019.jpg.png', '019-4d5a2bc2a1d6.png')
    """
    parts = image.split("/")
    if all(map(_is_plain, parts)) and not any(part.lower().endswith(suffix) for part in parts[:-1]):
        return image + suffix
    return overlay_name(image).removesuffix(".png") + suffix


_LONGEST = 200
_SPECIAL = frozenset('<>:"|?*\\')


def _is_plain(part: str) -> bool:
    """Whether a part of a path means the same on every system; ``.`` and ``..`` do not pass."""
    fits = len(part.encode("utf-8", "replace")) <= _LONGEST
    return bool(part) and fits and part.isprintable() and part == part.strip(" .") and not _SPECIAL & set(part)


def write_index(folder: Path, files: Iterable[tuple[str, str]]) -> None:
    """Write ``images.csv``, which names the file of every image: rows of image and file."""
    with open(folder / "images.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("image", "file"))
        writer.writerows(files)
