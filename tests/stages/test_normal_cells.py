"""Stage normal_cells: the calm cells of a shard, beside its descriptors."""

import io
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from firstsight.clustering.descriptors import blur_features, unit_cells
from firstsight.stages.job import Job
from firstsight.stages.normal_cells import describe_normal_cells
from firstsight.storage.geometry import Geometry
from firstsight.storage.store import ShardWriter

PLACE = asdict(Geometry(96, 96, 96, 96, 16, 7.5))


@pytest.mark.parametrize("side", [6, 12], ids=["the grid of the features", "another grid"])
def test_an_image_has_the_mean_of_its_normal_cells(tmp_path: Path, side: int) -> None:
    rng = np.random.default_rng(0)
    features = {name: rng.random((5, 6, 6)).astype(np.float32) for name in ("0", "1")}
    with (
        ShardWriter(tmp_path / "features", dtype="float32") as stored,
        ShardWriter(tmp_path / "maps", dtype="float32") as maps,
    ):
        for key, values in features.items():
            cells = np.ones((side, side), np.float32)
            cells[:, : side // 2] = 2 if key == "1" else 1
            names = {"image": f"{key}.png", "token": "", "geometry": {"stage": PLACE}}
            stored.add(key, "", {"stage": values}, {**names, "status": "ok"})
            place = {**PLACE, "stride": 96 / side, "offset": 48 / side - 0.5}
            maps.add(key, "", {"map": cells}, {**names, "status": "ok", "geometry": place})
        for store in (stored, maps):
            store.add("2", "", {}, {"image": "2.png", "token": "", "status": "cannot be read"})
    rows = [{"image": f"{key}.png", "threshold": 1.2} for key in features] + [{"image": "2.png", "threshold": None}]
    (tmp_path / "scores.json").write_text(json.dumps({"rows": rows}))
    for number in range(2):
        describe_normal_cells(
            maps=tmp_path / "maps",
            features=tmp_path / "features",
            scores=tmp_path / "scores.json",
            layers=["stage"],
            output=tmp_path / f"{number}.npz",
            job=Job("rule", "pile", "s", "fca", io.StringIO()),
        )
    found = np.load(tmp_path / "0.npz")
    assert found["image"].tolist() == ["0.png", "1.png"]
    blurred = {key: blur_features(unit_cells(values), 16).reshape(5, 6, 6) for key, values in features.items()}
    normal = [blurred["0"].reshape(5, -1), blurred["1"][:, :, 3:].reshape(5, -1)]
    np.testing.assert_allclose(found["normal"], [cells.mean(axis=1) for cells in normal], rtol=1e-6)
    assert found["count"] == 36 + 18
    scatter = sum(len(cells.T) * np.cov(cells, bias=True) for cells in normal)
    np.testing.assert_allclose(found["scatter"], scatter, atol=1e-6)
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()
