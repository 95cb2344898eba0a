"""Reading what the shards of a collection hold, one image at a time."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from firstsight.archives import refuse_damaged
from firstsight.collections.images import file_sha256, read_image
from firstsight.detectors.geometry import Geometry, map_to_pixels
from firstsight.features.store import ShardReader
from firstsight.locks import locked_folder
from firstsight.reports.tables import read_table
from firstsight.stages.job import read_json


@dataclass(frozen=True)
class StoredMap:
    """One image's anomaly map in a shard of maps; read when asked for."""

    reader: ShardReader
    key: str
    image: str
    status: str
    geometry: Geometry | None

    def cells(self) -> NDArray[np.float32]:
        """The map at feature resolution, (h, w)."""
        return self.reader.read(self.key, "map")

    def pixels(self) -> NDArray[np.float32]:
        """The map laid on the image, (height, width)."""
        assert self.geometry is not None
        return map_to_pixels(self.cells(), self.geometry)


def stored_maps(shards: Sequence[Path]) -> list[StoredMap]:
    """Every entry of the given map shards, in order; those without a map have a status other than ``ok``."""
    found = []
    for path in shards:
        reader = ShardReader(path)
        keys = reader.keys()
        for key in keys:
            attributes = reader.attributes(key)
            geometry = Geometry(**attributes["geometry"]) if attributes["status"] == "ok" else None
            found.append(StoredMap(reader, key, attributes["image"], attributes["status"], geometry))
    return found


def images_with_maps(shards: Sequence[Path]) -> list[dict[str, str]]:
    """For each shard of maps, in order, the key of every image that has a map; read by tasks of dask."""
    tasks = [delayed(_images_with_maps)(path.absolute()) for path in shards]
    return list(compute(*tasks))  # type: ignore[no-untyped-call]


def _images_with_maps(shard: Path) -> dict[str, str]:
    return {stored.image: stored.key for stored in stored_maps([shard]) if stored.status == "ok"}


def read_images(manifests: Sequence[Path], truths: Sequence[Path]) -> pandas.DataFrame:
    """The `images` rows of shards with their labels and masks; a bad mask shows in the status of a good image.

    Args:
        manifests: Parquet parts of the table `images`.
        truths: for each of them, the JSON rows that the stage truth made.
    """
    images = []
    for manifest, truth in zip(manifests, truths, strict=True):
        part = read_table(manifest).set_index("image", drop=False)
        rows = pandas.DataFrame(read_json(truth)).set_index("image").loc[part.index]
        part["label"], part["mask"] = rows["label"].astype(object), rows["mask"].astype(object)
        part["status"] = part["status"].where(part["status"].ne("ok"), rows["status"])
        images.append(part.reset_index(drop=True))
    return pandas.concat(images, ignore_index=True)


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Arrays of an npz file that another job wrote; DamagedError where they are not what it wrote."""
    refuse_damaged(path)
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in names]


def image_token(row: Mapping[Any, Any]) -> str:
    """What the pixels of an image hang on: its id, its file, the mask of its missing pixels, and its status.

    Args:
        row: of the table `images`.
    """
    mask = "" if pandas.isna(row["missing"]) else f" {file_sha256(Path(row['missing']))}"
    return f"{row['image']} {row['sha256']} {row['status']}{mask}"


def read_row(row: Mapping[Any, Any]) -> NDArray[np.float32]:
    """The image (H, W, 3) of a row of the table `images`, NaN where a pixel is missing."""
    return read_image(Path(row["path"]), None if pandas.isna(row["missing"]) else Path(row["missing"]))


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside ``folder`` to write into, and let it take that name when all is written.

    Raises:
        FirstsightError: another process is writing the same.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    with locked_folder(partial):
        for left in partial.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
