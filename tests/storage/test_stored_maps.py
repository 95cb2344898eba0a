"""Reading the maps of shards."""

from pathlib import Path

import numpy as np

from firstsight.storage.store import ShardWriter
from firstsight.storage.stored_maps import stored_maps

PLACE = {"height": 16, "width": 24, "input_height": 16, "input_width": 24, "stride": 8, "offset": 0.0}


def test_stored_maps_are_read_when_asked_for(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((2, 3), dtype=np.float32)
    with ShardWriter(tmp_path / "a.zarr", dtype="float32") as writer:
        writer.add("0", "t", {"map": values}, {"image": "x.png", "status": "ok", "geometry": PLACE})
        writer.add("1", "t", {}, {"image": "y.png", "status": "empty file"})
    first, second = stored_maps([tmp_path / "a.zarr"])
    np.testing.assert_array_equal(first.cells(), values)
    assert first.pixels().shape == (16, 24)
    assert (second.image, second.status, second.geometry) == ("y.png", "empty file", None)
