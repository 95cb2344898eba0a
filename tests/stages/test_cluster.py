"""Stage cluster: the descriptors of all shards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstsight.stages.cluster import read_descriptors, read_evidence


def test_descriptors_do_not_depend_on_the_order_of_shards(tmp_path: Path) -> None:
    for shard, names in {"a": ["x", "z"], "b": ["y"], "empty": []}.items():
        values = np.array([[[float(ord(name))] * 3] * 2 for name in names])
        np.savez(tmp_path / f"{shard}.npz", image=np.array(names, dtype=np.str_), descriptor=values)
    paths = [tmp_path / f"{shard}.npz" for shard in ("a", "b", "empty")]
    names, values = read_descriptors(paths)
    assert names == ["x", "y", "z"]
    assert values[:, 0, 0].tolist() == [120, 121, 122]
    again, same = read_descriptors(paths[::-1])
    assert again == names
    np.testing.assert_array_equal(same, values)


@pytest.mark.parametrize("rate", [0.05, None])
def test_the_evidence_is_in_the_order_of_the_images(tmp_path: Path, rate: float | None) -> None:
    rows: dict[str, list[tuple[Any, ...]]] = {
        "a": [("x", 3.0, 0.01, 7), ("z", 1.0, None, 0)],
        "b": [("y", 2.0, 0.5, 0), ("w", None, None, None)],
    }
    for shard, own in rows.items():
        columns = ("image", "score", "p_value", "anomalous_area")
        content = {"rate": rate, "rows": [dict(zip(columns, row, strict=True)) for row in own]}
        (tmp_path / f"{shard}.json").write_text(json.dumps(content))
    found = read_evidence([tmp_path / "b.json", tmp_path / "a.json"], ["x", "y", "z"])
    assert found.anomalous.tolist() == [True, False, False]
    np.testing.assert_array_equal(found.p_values, [0.01, 0.5, np.nan])
    assert found.scores.tolist() == [3, 2, 1]
    assert found.rate == rate
