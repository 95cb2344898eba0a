"""Small stores of features, as a collection has them."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter

Images = Mapping[str, Mapping[str, NDArray[np.float32]] | None]
STRIDES = {"fine": 8, "coarse": 16}


def place(layer: str, size: int = 160) -> Geometry:
    return Geometry(size, size, size, size, STRIDES[layer], 0.0)


@pytest.fixture
def write_store(tmp_path: Path) -> Callable[[str, Images], Path]:
    """Writes a store: images by id with their layers (C, h, w), None for one that was set aside."""

    def write(name: str, images: Images) -> Path:
        path = tmp_path / f"{name}.zarr"
        with ShardWriter(path, dtype="float32") as writer:
            for number, (image, layers) in enumerate(images.items()):
                attributes: dict[str, object] = {
                    "image": image,
                    "status": "ok" if layers else "cannot be read",
                    "token": image,
                }
                if layers:
                    attributes["geometry"] = {layer: asdict(place(layer)) for layer in layers}
                writer.add(f"{number:05d}", image, layers or {}, attributes)
        return path

    return write
