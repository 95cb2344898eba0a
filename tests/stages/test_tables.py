"""Tables of a run of many shards and several collections, joined a collection at a time."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import dask
import numpy as np
import pandas
import pyarrow.parquet
import pytest
from distributed import Client, LocalCluster

from firstsight.plan.files import ImageParts
from firstsight.stages.job import Job
from firstsight.stages.tables import join_tables, n_tasks
from firstsight.storage.table_schemas import SORT_KEYS, TRUTH_COLUMNS
from firstsight.storage.tables import read_table, write_table

SHARDS = {"moss": 70, "Bark": 3, "ash": 1}
"""Shards of each collection, of two images each."""
TABLES = ("images", "regions", "clusters", "metrics", "runs", "unread", "region_kinds")

IMAGE = {
    **dict.fromkeys(("missing", "ignored", "texture_score", "is_texture", *TRUTH_COLUMNS)),
    **dict.fromkeys(("value_low", "value_high", "duplicate_of", "remark")),
    **dict(path="p.png", sha256="5", width=4, height=3, channels=3, dtype="uint8"),
}
REGION: dict[str, Any] = dict(region=1, x=0, y=0, width=2, height=2, area=4, score_max=1.0, score_mean=0.5)
REGION |= dict(centroid_x=0.5, centroid_y=0.5, cluster=0, cluster_name="cluster 0")
CLUSTER = dict(cluster=0, cluster_name="cluster 0", distance=0.5, silhouette=0.5, is_medoid=True)
RUN = dict(rule="detect", detector="fca", device="cpu", n_images=2, seconds=1.0, seconds_by_step="{}")
RUN |= dict(peak_memory_mb=1.0, versions="{}", weights_sha256="", says="")


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, Any]:
    """What the jobs of a run left; `fca` ran on all collections, `sww` on one, where it refused an image."""
    parts: dict[str, Any] = {name: [] for name in ("images", "regions", "clusters", "metrics", "records")}

    def note(group: list[Path], name: str, content: Any) -> None:
        group.append(tmp_path / name)
        group[-1].write_text(json.dumps(content))

    def note_table(group: list[Path], table: str, name: str, rows: list[dict[str, Any]]) -> None:
        group.append(tmp_path / name)
        write_table(group[-1], table, rows)

    row = {"collection": "Bark", "n_files": 2, "example": "0", "advice": "convert them"}
    parts["unread"] = [{**row, "suffix": suffix} for suffix in (".pdf", ".gif")]
    for collection, n_shards in SHARDS.items():
        own = ImageParts(collection, [], [], {"fca": [], "sww": []} if collection == "Bark" else {"fca": []})
        parts["images"].append(own)
        images = [[f"{shard}/b.png", f"{shard}/a.png"] for shard in range(n_shards)]
        for shard, names in enumerate(images):
            stem = f"{collection}-{shard}"
            common = {"collection": collection, "shard": f"{shard}"}
            rows = [{**IMAGE, **common, "image": i, "status": "ok"} for i in names]
            note_table(own.manifests, "images", f"{stem}.images", rows)
            truths = [dict.fromkeys(TRUTH_COLUMNS) | {"image": i, "label": "good", "status": "ok"} for i in names]
            note(own.truths, f"{stem}.truth", truths)
            note(parts["records"], f"{stem}.run", {**RUN, **common})
            for detector in own.scores:
                rows = [score(i, shard) for i in names]
                if detector == "sww" and shard == 2:
                    rows[0] = {"image": names[0], "status": "too small", "score": None, "anomalous_area": None}
                    rows[0]["threshold"] = None
                note(own.scores[detector], f"{stem}.{detector}", {"collection": collection, "rows": rows})
        place = {"collection": collection, "detector": "fca"}
        every = [image for names in images for image in names]
        note_table(
            parts["regions"],
            "regions",
            f"{collection}.regions",
            [{**REGION, **place, "image": image} for image in every],
        )
        from_where = {"n_clusters_from": "estimated", "support": None}
        clusters = [{**CLUSTER, **place, **from_where, "image": image} for image in every]
        note_table(parts["clusters"], "clusters", f"{collection}.clusters", clusters)
        metric = {"metric": "pro", "value": 0.5, "low": None, "high": None, "n_images": 2, "n_regions": 1, "crop": 0.0}
        note_table(
            parts["metrics"], "metrics", f"{collection}.metrics", [{**place, **metric, "settings_fingerprint": "0"}]
        )
    return parts


def score(image: str, shard: int) -> dict[str, Any]:
    p_value = None if shard == 1 else 0.04 / (1 + shard)
    scores = {"score": shard / 4, "p_value": p_value, "anomalous_area": shard, "threshold": 1.5}
    return {"image": image, "status": "ok", **scores}


@pytest.fixture
def join(parts: dict[str, Any], tmp_path: Path, job: Job) -> Callable[..., dict[str, Path]]:
    def joined(folder: str, names: Path | None = None) -> dict[str, Path]:
        output = {name: tmp_path / folder / f"{name}.parquet" for name in TABLES}
        job.n_images = 0
        join_tables(**parts, detectors=["fca", "sww"], output=output, job=job, names=names)
        return output

    return joined


def test_rows_are_all_there_in_their_order(join: Callable[..., dict[str, Path]], job: Job) -> None:
    tables = {name: read_table(path) for name, path in join("out").items()}
    assert job.n_images == len(tables["images"]) == len(tables["clusters"]) == 2 * sum(SHARDS.values())
    for name, rows in tables.items():
        keys = list(rows[list(SORT_KEYS[name])].itertuples(index=False, name=None))
        assert keys == sorted(keys), name
    images = tables["images"].set_index(["collection", "image"])
    for key, row in images.iterrows():
        collection, image = cast(tuple[str, str], key)
        shard = int(image.split("/")[0])
        assert (row["fca_score"], row["fca_anomalous_area"], row["label"]) == (shard / 4, shard, "good")
        refused = (collection, image) == ("Bark", "2/b.png")
        assert row["status"] == ("too small" if refused else "ok")
        assert pandas.isna(row["sww_score"]) == (refused or collection != "Bark")


def test_the_q_values_are_those_of_benjamini_and_hochberg(join: Callable[..., dict[str, Path]]) -> None:
    for _, rows in read_table(join("out")["images"]).groupby("collection"):
        columns = rows[["fca_p_value", "fca_q_value"]].astype(float)
        known = columns.dropna()
        assert columns["fca_q_value"].isna().equals(columns["fca_p_value"].isna())
        ranked = sorted(known["fca_p_value"])
        expected = [
            min(value * len(ranked) / rank for rank, value in enumerate(ranked, 1) if value >= own)
            for own in known["fca_p_value"]
        ]
        np.testing.assert_allclose(known["fca_q_value"], np.minimum(expected, 1), rtol=1e-6)


def test_a_collection_is_a_block_of_the_file(join: Callable[..., dict[str, Path]]) -> None:
    for name, path in join("out").items():
        with pyarrow.parquet.ParquetFile(path) as file:
            blocks = [
                file.read_row_group(number, ["collection"])["collection"] for number in range(file.num_row_groups)
            ]
        every = [["Bark", "ash", "moss"]]
        as_one = {"runs": every, "unread": [["Bark"]], "region_kinds": every}
        wanted = as_one.get(name, [["Bark"], ["ash"], ["moss"]])
        assert [block.unique().to_pylist() for block in blocks] == wanted


def test_the_bytes_are_the_same_wherever_parts_are_read(
    join: Callable[..., dict[str, Path]], parts: dict[str, Any]
) -> None:
    assert n_tasks(parts["records"]) == 2
    outputs = []
    for threads in (1, 4):
        with dask.config.set(num_workers=threads):
            outputs.append(join(f"{threads}"))
    with (
        LocalCluster(processes=False, n_workers=2, threads_per_worker=2, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster),
    ):
        outputs.append(join("cluster"))
    for own in parts["images"]:
        own.manifests.reverse()
        own.truths.reverse()
    for kind in ("images", "records", "regions"):
        parts[kind].reverse()
    outputs.append(join("reversed"))
    for name in TABLES:
        assert len({output[name].read_bytes() for output in outputs}) == 1, name


def test_names_hold_for_the_collection_that_they_were_given_to(
    join: Callable[..., dict[str, Path]], tmp_path: Path, job: Job
) -> None:
    names = tmp_path / "names.csv"
    names.write_text("collection,detector,medoid,name\nBark,fca,0/a.png,knot\nmoss,fca,none.png,gone\n")
    output = join("out", names)
    for name in ("clusters", "regions"):
        rows = read_table(output[name])
        assert rows.groupby("collection")["cluster_name"].unique().map(list).to_dict() == {
            "Bark": ["knot"],
            "ash": ["cluster 0"],
            "moss": ["cluster 0"],
        }
    assert "1 clusters have one of the 2 names given" in job.log.getvalue()  # type: ignore[attr-defined]
