"""Stage group: kinds that collections have in common, from the files that the stage describe leaves."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from firstsight.plan.groups import GroupPart
from firstsight.stages.group import cluster_group
from firstsight.stages.job import Job
from firstsight.storage.archives import write_arrays
from firstsight.storage.tables import read_table

CHANNELS = 24
KINDS = {kind: np.random.default_rng(number).normal(size=CHANNELS) for number, kind in enumerate("abc")}


def write_collection(folder: Path, name: str, kinds: str, *, texture: float = 0.0, seed: int = 0) -> GroupPart:
    """The files of a collection whose images have these kinds, ``.`` being normal and ``x`` a false alarm."""
    rng = np.random.default_rng(seed)
    normal = texture * np.random.default_rng(99 + ord(name[0])).normal(size=CHANNELS)
    place = folder / name
    place.mkdir()
    part = GroupPart(name, [], [], [])
    for number, start in enumerate(range(0, len(kinds), 8)):
        shard = kinds[start : start + 8]
        images = [f"{kind.replace('.', 'good')}{start + index:02d}.png" for index, kind in enumerate(shard)]
        shift = np.array([KINDS.get(kind, 0 * KINDS["a"]) for kind in shard])
        means = normal + 0.05 * rng.normal(size=(len(shard), CHANNELS))
        finer = means[:, None] + shift[:, None] + 0.06 * rng.normal(size=(len(shard), 2, CHANNELS))
        # Another layer, of more channels, repeats some of the first.
        coarser = finer[:, 1:, np.arange(CHANNELS + 3) % CHANNELS]
        values = np.concatenate([np.pad(finer, ((0, 0), (0, 0), (0, 3))), coarser], axis=1)
        anomalous = [index for index, kind in enumerate(shard) if kind != "."]
        rows = [
            {
                "image": image,
                "status": "ok",
                "p_value": 0.02 if kind == "x" else (len(kinds) - index) / len(kinds) if kind == "." else 1e-6,
                "anomalous_area": int(kind != "."),
                "score": 1.0 + (kind != "."),
            }
            for index, (image, kind) in enumerate(zip(images, shard, strict=True))
        ]
        files = [place / f"{what}-{number}" for what in ("descriptors", "scores", "normal")]
        write_arrays(
            files[0],
            image=np.array(images, np.str_),
            descriptor=values.astype(np.float32),
            region_image=np.array([images[index] for index in anomalous], np.str_),
            region_number=np.ones(len(anomalous), np.int32),
            region_descriptor=values[anomalous].astype(np.float32),
        )
        files[1].write_text(json.dumps({"rate": 0.05, "rows": rows}))
        cells = 0.05 * rng.normal(size=(200, CHANNELS))
        write_arrays(
            files[2],
            image=np.array(images, np.str_),
            normal=means.astype(np.float32),
            count=np.array(200),
            scatter=(cells.T @ cells).astype(np.float32),
        )
        for kept, file in zip((part.descriptors, part.scores, part.normal_cells), files, strict=True):
            kept.append(file)
    return part


def grouped(folder: Path, parts: Sequence[GroupPart], **more: Any) -> tuple[pandas.DataFrame, dict[str, Any]]:
    cluster_group(
        parts=parts,
        group="g",
        detector="fca",
        output=folder / "clusters.parquet",
        summary=folder / "clusters.json",
        job=Job("rule", "", "", "fca", io.StringIO()),
        **{"textures": "auto", **more},
    )
    return read_table(folder / "clusters.parquet"), json.loads((folder / "clusters.json").read_text())


def kinds_of(rows: pandas.DataFrame) -> dict[str, set[int]]:
    """The clusters of the images of each kind."""
    whole = rows[rows["region"].isna()]
    return {str(kind): set(part) for kind, part in whole.groupby(whole["image"].str[0])["cluster"]}


@pytest.mark.parametrize(("texture", "said"), [(0.0, "same"), (3.0, "different")])
def test_a_kind_is_one_in_all_collections(tmp_path: Path, texture: float, said: str) -> None:
    parts = [
        write_collection(tmp_path, "one", "." * 10 + "aaaaabbbbb", texture=texture),
        write_collection(tmp_path, "two", "." * 10 + "aaaaaccccc", texture=texture, seed=1),
        write_collection(tmp_path, "vast", "." * 10, texture=texture, seed=2),
    ]
    rows, summary = grouped(tmp_path, parts)
    assert (summary["textures"], summary["n_clusters"]) == (said, 3), summary
    found = kinds_of(rows)
    assert found["g"] == {0}
    assert all(len(found[kind]) == 1 for kind in "abc")
    assert found["a"] | found["b"] | found["c"] == {1, 2, 3}
    assert rows["cluster_name"].tolist() == [
        {0: "normal", -1: "other"}.get(number, f"cluster {number}") for number in rows["cluster"]
    ]
    whole, regions = rows[rows["region"].isna()], rows[rows["region"].notna()]
    assert len(whole) == 50
    keys = ["collection", "image"]
    same = regions.merge(whole, on=keys)
    assert same["cluster_x"].equals(same["cluster_y"]), "these regions are as their images are"
    medoids = whole[whole["is_medoid"] & whole["cluster"].gt(0)]
    assert sorted(medoids["cluster"]) == [1, 2, 3]
    for row in medoids.to_dict("records"):
        mine = whole[whole["cluster"].eq(row["cluster"])]
        assert row["distance"] == mine["distance"].min()
        assert set(mine["medoid"]) == {row["image"]}
        assert mine["support"].ge(0.5 if said == "same" else 0.99).all()
    if said == "different":
        assert whole.loc[whole["cluster"].eq(0), ["distance", "support", "medoid"]].isna().all(axis=None)
    before = (tmp_path / "clusters.parquet").read_bytes()
    grouped(tmp_path, parts[::-1])
    assert (tmp_path / "clusters.parquet").read_bytes() == before, "the order of collections does not matter"
    sampled, _ = grouped(tmp_path, parts, largest_sample=12)
    assert kinds_of(sampled).keys() == found.keys()
    grouped(
        tmp_path, [GroupPart(part.collection, part.descriptors, part.scores, []) for part in parts], textures="same"
    )


def test_false_alarms_make_no_kind(tmp_path: Path) -> None:
    parts = [write_collection(tmp_path, name, "." * 40 + "xxx", seed=place) for place, name in enumerate(("a", "b"))]
    rows, summary = grouped(tmp_path, parts, textures="different")
    assert summary["n_clusters"] == 0
    assert kinds_of(rows) == {"g": {0}, "x": {-1}}
    assert rows["distance"].isna().all()


def test_a_group_without_anomalies_or_without_images(tmp_path: Path) -> None:
    calm = write_collection(tmp_path, "calm", "." * 5)
    nothing = GroupPart("nothing", [tmp_path / "n.npz"], [tmp_path / "n.json"], [tmp_path / "c.npz"])
    empty = {"image": np.array([], np.str_), "descriptor": np.zeros((0, 2, 0), np.float32)}
    regions = {"region_number": np.zeros(0, np.int32), "region_descriptor": np.zeros((0, 2, 0), np.float32)}
    write_arrays(nothing.descriptors[0], region_image=empty["image"], **empty, **regions)
    cells = {"normal": np.zeros((0, 0), np.float32), "count": np.array(0), "scatter": np.zeros((0, 0), np.float32)}
    write_arrays(nothing.normal_cells[0], image=empty["image"], **cells)
    row = {"image": "a.png", "status": "cannot be read", "p_value": None, "anomalous_area": None, "score": None}
    nothing.scores[0].write_text(json.dumps({"rate": None, "rows": [row]}))
    for textures in ("auto", "same", "different"):
        rows, summary = grouped(tmp_path, [calm, nothing], textures=textures)
        assert set(rows["cluster"]) == {0}
        assert summary["n_clusters"] == 0
        rows, summary = grouped(tmp_path, [nothing], textures=textures)
        assert len(rows) == 0
        assert summary["criterion"] == "no image has a map"
    beside = write_collection(tmp_path, "beside", "." * 5 + "aaaa", seed=1)
    rows, summary = grouped(tmp_path, [calm, nothing, beside], textures="different")
    assert kinds_of(rows) == {"a": {1}, "g": {0}}
