"""Stage cluster: the descriptors of all shards."""

from pathlib import Path

import numpy as np

from firstsight.stages.cluster import read_descriptors


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
