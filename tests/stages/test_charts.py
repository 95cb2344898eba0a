"""The stage charts: which images are drawn, of descriptors in several shards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firstsight.stages import charts
from firstsight.stages.charts import chart_collection, nearest
from firstsight.stages.job import Job
from firstsight.storage.tables import write_table


def write(folder: Path, count: int, outliers: int = 0) -> tuple[list[Path], Path]:
    """Two shards of descriptors, and the table of two clusters and some outliers."""
    generator = np.random.default_rng(0)
    names = [f"{number:03d}.png" for number in range(count)]
    cluster = np.arange(count) % 2
    cluster[:outliers] = -1
    values = generator.random((count, 2, 5)).astype(np.float32) + 3 * cluster[:, None, None]
    paths = []
    for shard, numbers in enumerate((np.arange(count // 2), np.arange(count // 2, count)[::-1])):
        paths.append(folder / f"{shard}.npz")
        np.savez(
            paths[-1], image=np.array([names[number] for number in numbers], dtype=np.str_), descriptor=values[numbers]
        )
    rows = [
        {
            "collection": "pile",
            "image": name,
            "detector": "fca",
            "cluster": int(number),
            "cluster_name": f"cluster {number}",
            "distance": 0.0,
            "silhouette": None,
            "is_medoid": row in (outliers, outliers + 1),
            "n_clusters_from": "estimated",
            "support": None,
        }
        for row, (name, number) in enumerate(zip(names, cluster, strict=True))
    ]
    write_table(folder / "clusters.parquet", "clusters", rows)
    return paths, folder / "clusters.parquet"


def test_every_image_has_a_point_and_those_in_clusters_a_leaf(tmp_path: Path, job: Job) -> None:
    descriptors, clusters = write(tmp_path, 12, outliers=2)
    chart_collection(descriptors=descriptors, clusters=clusters, output=tmp_path / "charts.json", job=job)
    found = json.loads((tmp_path / "charts.json").read_text())
    assert found["images"] == [f"{number:03d}.png" for number in range(12)]
    assert np.array(found["points"]).shape == (12, 2)
    assert sum(leaf["images"] for leaf in found["tree"]["leaves"]) == 10
    assert [leaf["cluster"] for leaf in found["tree"]["leaves"]].count(1) == 5
    assert [len(near) for near in found["near"]] == [11] * 12
    chart_collection(descriptors=descriptors[::-1], clusters=clusters, output=tmp_path / "again.json", job=job)
    assert json.loads((tmp_path / "again.json").read_text()) == found


def test_of_many_images_a_sample_with_the_medoids(tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(charts, "MOST_SHOWN", 7)
    descriptors, clusters = write(tmp_path, 30, outliers=20)
    chart_collection(descriptors=descriptors, clusters=clusters, output=tmp_path / "charts.json", job=job)
    found = json.loads((tmp_path / "charts.json").read_text())
    assert len(found["images"]) == 7
    assert {"020.png", "021.png"} < set(found["images"])


def test_only_outliers_and_nothing_at_all(tmp_path: Path, job: Job) -> None:
    descriptors, clusters = write(tmp_path, 3, outliers=3)
    chart_collection(descriptors=descriptors, clusters=clusters, output=tmp_path / "charts.json", job=job)
    assert json.loads((tmp_path / "charts.json").read_text())["tree"] is None
    (tmp_path / "none").mkdir()
    descriptors, clusters = write(tmp_path / "none", 0)
    chart_collection(descriptors=descriptors, clusters=clusters, output=tmp_path / "none.json", job=job)
    nothing: dict[str, Any] = {key: [] for key in ("images", "points", "near", "distances")}
    nothing |= {"method": "principal components", "tree": None}
    assert json.loads((tmp_path / "none.json").read_text()) == nothing


@pytest.mark.parametrize(("count", "most"), [(0, 5), (1, 5), (2, 5), (30, 5), (30, 40)])
def test_the_nearest_are_those_at_the_least_distance(count: int, most: int) -> None:
    points = np.random.default_rng(count).integers(0, 4, (count, 3)).astype(float)
    found, distances = nearest(points, most)
    for row in range(count):
        others = [other for other in range(count) if other != row]
        ordered = sorted(others, key=lambda other: (((points[row] - points[other]) ** 2).sum(), other))
        assert list(found[row]) == ordered[:most]
        expected = [float(np.linalg.norm(points[row] - points[other])) for other in ordered[:most]]
        assert distances[row].tolist() == pytest.approx(expected)
