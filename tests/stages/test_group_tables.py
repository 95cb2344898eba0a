"""Stage group_tables: names hold in a whole group, kinds are counted by collection, and metrics."""

import io
from pathlib import Path

import pandas
import pytest

from firstsight.errors import FirstsightError
from firstsight.evaluation.clustering import nmi
from firstsight.stages.group_tables import (
    in_order_of_time,
    join_groups,
    kinds_by_collection,
    kinds_by_time,
    name_kinds_of_group,
)
from firstsight.stages.job import Job
from firstsight.storage.table_schemas import SCHEMAS
from firstsight.storage.tables import read_table, write_table

TABLES = ("group_clusters", "kinds_by_collection", "kinds_by_time", "group_metrics")


def rows_of(images: dict[tuple[str, str], int], group: str = "a+b") -> pandas.DataFrame:
    """Rows of the table, each with a region where the image is anomalous; distances grow with the image's number."""
    rows = []
    for (collection, image), number in images.items():
        name = {0: "normal", -1: "other"}.get(number, f"cluster {number}")
        anomalous = number != 0
        rows.append(
            dict.fromkeys(SCHEMAS["group_clusters"].names)
            | {"group": group, "detector": "fca", "collection": collection, "image": image, "cluster": number}
            | {"cluster_name": name, "is_medoid": False, "distance": float(image[0]) if anomalous else None}
        )
        if anomalous:
            rows.append({**rows[-1], "region": 1})
    return pandas.DataFrame(rows, columns=SCHEMAS["group_clusters"].names).astype({"region": "Int32"})


IMAGES = {
    ("a", "0.png"): 0,
    ("a", "1.png"): 1,
    ("a", "2.png"): 2,
    ("a", "3.png"): -1,
    ("b", "0.png"): 0,
    ("b", "1.png"): 1,
    ("b", "4.png"): 3,
    ("b", "5.png"): 3,
}


def joined(folder: Path, names: str = "", verdicts: str = "") -> dict[str, pandas.DataFrame]:
    write_table(folder / "part.parquet", "group_clusters", rows_of(IMAGES))
    write_table(folder / "none.parquet", "group_clusters", [])
    labels = {0: "good", 1: "hole", 2: "cut", 3: "knot", -1: None}
    images = [
        dict.fromkeys(SCHEMAS["images"].names)
        | {"collection": collection, "image": image, "path": image, "status": "ok", "label": labels[number]}
        for (collection, image), number in IMAGES.items()
    ]
    write_table(folder / "images.parquet", "images", images)
    given = {}
    for name, text in (("names", names), ("verdicts", verdicts)):
        if text:
            (folder / f"{name}.csv").write_text(text)
            given[name] = folder / f"{name}.csv"
    join_groups(
        clusters=[folder / "part.parquet", folder / "none.parquet"],
        members={"a+b": ["b", "a"]},
        images=folder / "images.parquet",
        output={name: folder / f"{name}.parquet" for name in TABLES},
        job=Job("rule", "", "", "", io.StringIO()),
        **given,
    )
    return {name: read_table(folder / f"{name}.parquet") for name in TABLES}


def test_kinds_are_counted_in_every_collection(tmp_path: Path) -> None:
    matrix = joined(tmp_path)["kinds_by_collection"].set_index(["cluster", "collection"])
    counts = matrix["n_images"].unstack()
    assert counts.loc[:, "a"].to_dict() == {-1: 1, 0: 1, 1: 1, 2: 1, 3: 0}
    assert counts.loc[:, "b"].to_dict() == {-1: 0, 0: 1, 1: 1, 2: 0, 3: 2}
    assert matrix.loc[(3, "b"), "share"] == 0.5
    new = matrix.index[matrix["is_new"]].tolist()
    assert new == [(1, "a"), (2, "a"), (3, "b")], "in the order of the names; neither other nor normal is new"
    empty = kinds_by_collection(rows_of(IMAGES), ["a", "b", "c"])
    assert {row["share"] for row in empty if row["collection"] == "c"} == {0.0}
    assert joined(tmp_path)["kinds_by_time"].empty, "no time is known"


def times_of(times: dict[tuple[str, str], str]) -> pandas.Series:
    index = pandas.MultiIndex.from_tuples(list(times), names=["collection", "image"])
    return pandas.Series(list(times.values()), index, dtype="datetime64[us]")


TIMES = {
    ("a", "0.png"): "2026-03-01 08:00",
    ("a", "1.png"): "2026-03-03 09:30",
    ("a", "2.png"): "2026-03-03 23:59",
    ("b", "0.png"): "2026-02-28 12:00",
    ("b", "4.png"): "2026-03-03 00:00",
    ("b", "9.png"): "2020-01-01 00:00",
}


def test_kinds_are_counted_by_time(tmp_path: Path) -> None:
    found = kinds_by_time(rows_of(IMAGES), times_of(TIMES))
    assert set(found["unit"]) == {"day"}, "84 hours, but four days; an image that has no map does not count"
    counts = found.set_index(["cluster", "collection", "period"])
    slow = {
        (number, collection, pandas.Timestamp(time[:10])): 0
        for number in set(IMAGES.values())
        for (collection, image), time in TIMES.items()
        if (collection, image) in IMAGES
    }
    sizes = {(collection, day): 0 for _, collection, day in slow}
    for (collection, image), time in TIMES.items():
        if (collection, image) in IMAGES:
            day = pandas.Timestamp(time[:10])
            slow[IMAGES[collection, image], collection, day] += 1
            sizes[collection, day] += 1
    assert counts["n_images"].to_dict() == slow
    assert counts["share"].to_dict() == {key: count / sizes[key[1:]] for key, count in slow.items()}
    assert kinds_by_time(rows_of(IMAGES), times_of({})).empty
    write_table(tmp_path / "times.parquet", "kinds_by_time", found)
    assert len(read_table(tmp_path / "times.parquet")) == len(slow)


@pytest.mark.parametrize(
    ("first", "last", "unit"),
    [
        ("2026-03-01 08:59", "2026-03-01 08:01", "hour"),
        ("2026-03-01 00:30", "2026-03-03 11:59", "hour"),
        ("2026-03-01 00:30", "2026-03-03 12:00", "day"),
        ("2026-01-01 00:00", "2026-03-02 00:00", "month"),
        ("2021-01-31 00:00", "2025-12-01 00:00", "month"),
        ("2021-01-31 00:00", "2026-01-01 00:00", "year"),
        ("0001-01-01 00:00", "9999-12-31 23:59", "year"),
    ],
)
def test_periods_are_as_short_as_sixty_of_them_allow(first: str, last: str, unit: str) -> None:
    found = kinds_by_time(rows_of(IMAGES), times_of({("a", "0.png"): first, ("b", "0.png"): last}))
    assert set(found["unit"]) == {unit}
    length = {"hour": 13, "day": 10, "month": 7, "year": 4}[unit]
    assert {str(period)[:length] for period in found["period"].astype("datetime64[us]")} == {
        first[:length],
        last[:length],
    }


def test_collections_are_in_the_order_of_their_first_images() -> None:
    assert in_order_of_time(["a", "b"], times_of(TIMES)) == ["b", "a"]
    assert in_order_of_time(["b", "c", "a"], times_of(TIMES)) == ["a", "b", "c"], "not all have times"
    new = kinds_by_collection(rows_of(IMAGES), ["b", "a"])
    assert {(row["cluster"], row["collection"]) for row in new if row["is_new"]} == {(1, "b"), (2, "a"), (3, "b")}


def test_a_name_holds_in_the_whole_group(tmp_path: Path) -> None:
    names = "collection,detector,medoid,name\na,fca,1.png,hole\nb,fca,1.png,pit\nb,fca,5.png,far\nb,fca,4.png,knot\n"
    found = joined(tmp_path, names)
    rows = found["group_clusters"]
    by_cluster = {number: set(part["cluster_name"]) for number, part in rows.groupby("cluster")}
    assert by_cluster == {-1: {"other"}, 0: {"normal"}, 1: {"hole"}, 2: {"cluster 2"}, 3: {"knot"}}
    assert "knot" in set(found["kinds_by_collection"]["cluster_name"])
    said = "collection,detector,image,x,y,width,height,verdict,name\na,fca,1.png,,,,,kind,gap\n"
    rows = joined(tmp_path, names, said)["group_clusters"]
    assert set(rows.loc[rows["cluster"].eq(1), "cluster_name"]) == {"gap"}
    other = name_kinds_of_group(rows_of(IMAGES), {("a", "blind", "1.png"): "hole", ("a", "fca", "3.png"): "odd"})
    plain = rows_of(IMAGES)["cluster_name"].tolist()
    assert other["cluster_name"].tolist() == plain, "neither another detector nor what is in none"


def test_without_a_group_there_are_no_tables(tmp_path: Path) -> None:
    job = Job("rule", "", "", "", io.StringIO())
    with pytest.raises(FirstsightError, match="there is no group"):
        join_groups(clusters=[], members={}, images=tmp_path / "images.parquet", output={}, job=job)


def test_metrics_of_a_group(tmp_path: Path) -> None:
    metrics = joined(tmp_path)["group_metrics"].set_index("metric")
    assert metrics["value"][["nmi", "ari", "matched_f1"]].tolist() == pytest.approx([1, 1, 1])
    assert metrics.loc["nmi", "n_images"] == 7, "those with a label"
    assert metrics.loc["nmi_with_collection", "value"] == pytest.approx(nmi("aabbb", [1, 2, 1, 3, 3]))
    assert metrics.loc["nmi_with_collection", "n_images"] == 5
