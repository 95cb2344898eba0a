"""Reading the anomaly maps of a collection's shards, one image at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from firstsight.storage.geometry import Geometry, map_to_pixels
from firstsight.storage.store import ShardReader


@dataclass(frozen=True)
class StoredMap:
    """One image's anomaly map in a shard of maps; it is read on request."""

    reader: ShardReader
    key: str
    image: str
    status: str
    geometry: Geometry | None
    ignored: str | None = None
    """Mask of the image's pixels that are no part of the texture, if there is one."""

    def cells(self) -> NDArray[np.float32]:
        """The map at feature resolution, (h, w)."""
        return self.reader.read(self.key, "map")

    def pixels(self) -> NDArray[np.float32]:
        """The map resampled to the image, (height, width)."""
        assert self.geometry is not None
        return map_to_pixels(self.cells(), self.geometry)


def stored_maps(shards: Sequence[Path]) -> list[StoredMap]:
    """Every entry of the given map shards, in order; an entry without a map has a status other than ``ok``."""
    maps = []
    for path in shards:
        reader = ShardReader(path)
        keys = reader.keys()
        for key in keys:
            attributes = reader.attributes(key)
            geometry = Geometry(**attributes["geometry"]) if attributes["status"] == "ok" else None
            maps.append(
                StoredMap(reader, key, attributes["image"], attributes["status"], geometry, attributes.get("ignored"))
            )
    return maps


def images_with_maps(shards: Sequence[Path]) -> list[dict[str, str]]:
    """For each shard of maps, in order, the key of every image that has a map; dask tasks read them."""
    tasks = [delayed(_images_with_maps)(path.absolute()) for path in shards]
    return list(compute(*tasks))  # type: ignore[no-untyped-call]


def _images_with_maps(shard: Path) -> dict[str, str]:
    return {stored.image: stored.key for stored in stored_maps([shard]) if stored.status == "ok"}
