"""Regions are counted by their kind and by that of their image."""

from pathlib import Path
from typing import Any

from firstsight.stages.region_kinds import count_region_kinds
from firstsight.storage.tables import read_table, write_table

REGION: dict[str, Any] = dict(
    x=0, y=0, width=2, height=2, score_max=1.0, score_mean=0.5, centroid_x=0.5, centroid_y=0.5
)
CLUSTER: dict[str, Any] = dict(distance=0.5, silhouette=0.5, is_medoid=False, n_clusters_from="estimated", support=None)


def test_regions_are_counted_by_both_kinds(tmp_path: Path) -> None:
    place = {"collection": "pile", "detector": "fca"}
    kinds = {"a.png": 1, "b.png": 1, "c.png": -1, "d.png": 2}
    clusters = [
        {**CLUSTER, **place, "image": image, "cluster": kind, "cluster_name": f"kind {kind}"}
        for image, kind in kinds.items()
    ]
    regions = [
        {**REGION, **place, "image": image, "region": number, "area": area, "cluster": kind}
        | {"cluster_name": None if kind is None else f"kind {kind}"}
        for image, number, area, kind in [
            ("a.png", 1, 4, 1),
            ("a.png", 2, 5, 1),
            ("a.png", 3, 6, 2),
            ("b.png", 1, 7, 1),
            ("c.png", 1, 8, -1),
            ("d.png", 1, 9, None),
            ("e.png", 1, 9, 1),
        ]
    ]
    other = [{**CLUSTER, **place, "detector": "blind", "image": "a.png", "cluster": 0, "cluster_name": "normal"}]
    write_table(tmp_path / "clusters", "clusters", [*other, *clusters])
    write_table(tmp_path / "regions", "regions", regions)
    counted = count_region_kinds(tmp_path / "clusters", tmp_path / "regions")
    write_table(tmp_path / "counted", "region_kinds", counted)
    columns = ["cluster", "cluster_name", "region_cluster", "region_cluster_name", "n_regions", "n_images", "area"]
    assert read_table(tmp_path / "counted")[columns].to_numpy().tolist() == [
        [-1, "kind -1", -1, "kind -1", 1, 1, 8],
        [1, "kind 1", 1, "kind 1", 3, 2, 16],
        [1, "kind 1", 2, "kind 2", 1, 1, 6],
    ]


def test_without_regions_there_are_none(tmp_path: Path) -> None:
    for name in ("clusters", "regions"):
        write_table(tmp_path / name, name, [])
    write_table(tmp_path / "counted", "region_kinds", count_region_kinds(tmp_path / "clusters", tmp_path / "regions"))
    assert read_table(tmp_path / "counted").empty
