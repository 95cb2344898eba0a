"""Tables: columns and types are what they are said to be, mistakes are named, the same rows give the same bytes."""

import hashlib
from pathlib import Path

import numpy
import pandas
import pyarrow
import pyarrow.parquet
import pytest

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.table_schemas import SCHEMAS, SORT_KEYS, images_schema
from firstsight.storage.tables import (
    concatenate_tables,
    read_table,
    write_table,
)

IMAGE = {
    "collection": "tiles",
    "image": "crack/001.png",
    "path": "data/crack/001.png",
    "sha256": "0" * 64,
    "width": 64,
    "height": 48,
    "channels": 3,
    "dtype": "uint8",
    "label": "crack",
    "is_normal": False,
    "mask": None,
    "mask_values": None,
    "truth_remark": None,
    "time": pandas.Timestamp("2026-03-01 14:30:00.25"),
    "missing": None,
    "ignored": None,
    "shard": "0000",
    "value_low": None,
    "value_high": None,
    "duplicate_of": None,
    "remark": None,
    "status": "ok",
    "texture_score": 1.25,
    "is_texture": True,
}
REGION = {
    "collection": "tiles",
    "image": "crack/001.png",
    "detector": "fca",
    "region": 0,
    "x": 3,
    "y": 4,
    "width": 5,
    "height": 6,
    "area": 22,
    "score_max": 0.5,
    "score_mean": 0.25,
    "centroid_x": 5.5,
    "centroid_y": 6.5,
    "cluster": 1,
    "cluster_name": "cluster 1",
}
CLUSTER = {
    "collection": "tiles",
    "image": "crack/001.png",
    "detector": "fca",
    "cluster": 1,
    "cluster_name": "cluster 1",
    "distance": 0.5,
    "silhouette": 0.25,
    "is_medoid": True,
    "n_clusters_from": "estimated",
    "support": 0.75,
}
METRIC = {
    "collection": "tiles",
    "detector": "fca",
    "metric": "pro",
    "value": 0.773,
    "low": 0.7,
    "high": 0.8,
    "n_images": 34,
    "n_regions": 40,
    "crop": 0.0,
    "settings_fingerprint": "abc",
}
RUN = {
    "collection": "tiles",
    "rule": "detect",
    "shard": "0000",
    "detector": "fca",
    "device": "cpu",
    "device_name": "AMD EPYC",
    "n_images": 32,
    "says": None,
    "seconds": 1.5,
    "seconds_by_step": '{"read": 0.5}',
    "peak_memory_mb": 800.0,
    "versions": '{"firstsight": "0.1.0"}',
    "weights_sha256": None,
    "fingerprint": "0123456789",
    "config": None,
    "machine": "node7",
}
UNREAD = {"collection": "tiles", "suffix": ".pdf", "n_files": 3, "example": "a.pdf", "advice": "convert them"}
GROUP_CLUSTER: dict[str, object] = {
    "group": "tiles+wood",
    "detector": "fca",
    "collection": "tiles",
    "image": "crack/001.png",
    "region": None,
    "cluster": 1,
    "cluster_name": "cluster 1",
    "support": 0.75,
    "distance": 0.5,
    "medoid_collection": "wood",
    "medoid": "7.png",
    "is_medoid": False,
}
KIND: dict[str, object] = {
    "group": "tiles+wood",
    "detector": "fca",
    "cluster": 1,
    "cluster_name": "cluster 1",
    "collection": "tiles",
    "n_images": 3,
    "share": 0.25,
    "is_new": True,
}
KIND_IN_TIME: dict[str, object] = {
    **{column: value for column, value in KIND.items() if column != "is_new"},
    "unit": "month",
    "period": pandas.Timestamp("2026-03-01"),
}
ROWS = {
    "images": IMAGE,
    "regions": REGION,
    "clusters": CLUSTER,
    "metrics": METRIC,
    "runs": RUN,
    "unread": UNREAD,
    "group_clusters": GROUP_CLUSTER,
    "kinds_by_collection": KIND,
    "kinds_by_time": KIND_IN_TIME,
    "group_metrics": {"group": "tiles+wood", "detector": "fca", "metric": "nmi", "value": 0.5, "n_images": 7},
}


def scored(detector: str, score: float | None, area: int | None, threshold: float | None) -> dict[str, object]:
    chances = {f"{detector}_p_value": score and 0.25, f"{detector}_q_value": score and 0.5}
    return {
        f"{detector}_score": score,
        **chances,
        f"{detector}_anomalous_area": area,
        f"{detector}_threshold": threshold,
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_row_comes_back_with_the_types_of_the_schema(name: str, tmp_path: Path) -> None:
    path = tmp_path / "deep" / f"{name}.parquet"
    write_table(path, name, [ROWS[name]])
    assert pyarrow.parquet.read_schema(path).equals(SCHEMAS[name])
    table = read_table(path)
    assert list(table.columns) == SCHEMAS[name].names
    row = table.iloc[0]
    for column, value in ROWS[name].items():
        assert pandas.isna(row[column]) if value is None else row[column] == value, column
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", SCHEMAS)
@pytest.mark.parametrize("empty", [[], pandas.DataFrame()], ids=["list", "frame"])
def test_no_rows_keep_the_schema(name: str, empty: object, tmp_path: Path) -> None:
    path = tmp_path / "empty.parquet"
    write_table(path, name, empty)  # type: ignore[arg-type]
    assert pyarrow.parquet.read_schema(path).equals(SCHEMAS[name])
    assert len(read_table(path)) == 0


def test_sort_keys_name_columns() -> None:
    assert SORT_KEYS.keys() == SCHEMAS.keys()
    for name, columns in SORT_KEYS.items():
        assert set(columns) <= set(SCHEMAS[name].names)


def test_images_hold_five_columns_for_every_detector(tmp_path: Path) -> None:
    rows = [
        IMAGE | scored("fca", 0.5, 12, 0.3) | scored("sww", 1.5, 0, 2.0),
        IMAGE
        | {"image": "b", "status": "truncated", "texture_score": None, "is_texture": None}
        | scored("fca", None, None, None)
        | scored("sww", None, None, None),
    ]
    write_table(tmp_path / "images.parquet", "images", rows, detectors=["fca", "sww"])
    schema = pyarrow.parquet.read_schema(tmp_path / "images.parquet")
    assert schema.equals(images_schema(["fca", "sww"]))
    assert schema.names[-10:] == list(scored("fca", 0, 0, 0)) + list(scored("sww", 0, 0, 0))
    columns = ("score", "p_value", "q_value", "anomalous_area", "threshold")
    assert [str(schema.field(f"fca_{column}").type) for column in columns] == [*["float"] * 3, "int64", "float"]
    table = read_table(tmp_path / "images.parquet")
    assert table["fca_anomalous_area"].dtype == pandas.Int64Dtype()
    assert table["fca_anomalous_area"].tolist() == [12, pandas.NA]
    assert table["is_texture"].dtype == pandas.BooleanDtype()
    assert table["is_texture"].tolist() == [True, pandas.NA]


def test_mappings_and_a_frame_give_the_same_bytes(tmp_path: Path) -> None:
    rows = [REGION | {"region": number, "cluster": None if number % 3 else number} for number in range(50)]
    write_table(tmp_path / "a", "regions", rows)
    write_table(tmp_path / "b", "regions", [dict(reversed(row.items())) for row in rows])
    write_table(tmp_path / "c", "regions", pandas.DataFrame(rows, index=range(100, 150)))
    write_table(tmp_path / "d", "regions", read_table(tmp_path / "a"))
    digests = {hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in "abcd"}
    assert len(digests) == 1


def test_large_integers_survive_beside_nulls(tmp_path: Path) -> None:
    large = 2**53 + 1
    rows = [IMAGE | {"image": name} | scored("fca", 1.0, area, 0.5) for name, area in (("a", large), ("b", None))]
    write_table(tmp_path / "t", "images", rows, detectors=["fca"])
    assert read_table(tmp_path / "t")["fca_anomalous_area"].tolist() == [large, pandas.NA]


def test_not_a_number_is_null(tmp_path: Path) -> None:
    write_table(tmp_path / "t", "metrics", [METRIC | {"value": float("nan")}, METRIC | {"value": numpy.float32(0.5)}])
    assert pyarrow.parquet.read_table(tmp_path / "t")["value"].to_pylist() == [None, 0.5]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("images", {"width": "64"}, "'width'"),
        ("images", {"width": 64.5}, "'width'"),
        ("images", {"width": 2**31}, "'width'"),
        ("images", {"width": 2**70}, "'width'"),
        ("images", {"channels": 2**15}, "'channels'"),
        ("images", {"path": Path("a.png")}, "'path'"),
        ("images", {"image": None}, "'image' has no value in row 0"),
        ("images", {"image": "caf\udce9.png"}, "'image'"),
        ("images", {"label": 3}, "'label' holds int64"),
        ("images", {"time": "2026-03-01"}, "'time' holds string"),
        ("images", {"time": pandas.Timestamp("2026-03-01", tz="UTC")}, "'time' holds timestamp"),
        ("regions", {"score_max": "high"}, "'score_max'"),
        ("regions", {"area": True}, "'area' holds bool"),
        ("clusters", {"is_medoid": 1}, "'is_medoid'"),
        ("runs", {"versions": {"firstsight": "0.1.0"}}, "'versions'"),
    ],
)
def test_a_wrong_value_is_named(name: str, change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=f"table {name}: column {message}"):
        write_table(tmp_path / "t", name, [ROWS[name] | change])
    assert not list(tmp_path.iterdir())


def test_a_missing_and_an_unknown_column_are_named(tmp_path: Path) -> None:
    short = {column: value for column, value in METRIC.items() if column != "crop"}
    long = METRIC | {"colour": 1}
    with pytest.raises(FirstsightError, match="row 1: column 'crop' is missing"):
        write_table(tmp_path / "t", "metrics", [METRIC, short])
    with pytest.raises(FirstsightError, match="unknown column 'colour'"):
        write_table(tmp_path / "t", "metrics", [METRIC, long])
    with pytest.raises(FirstsightError, match="column 'crop' is missing"):
        write_table(tmp_path / "t", "metrics", pandas.DataFrame([short]))
    with pytest.raises(FirstsightError, match="unknown column 'colour'"):
        write_table(tmp_path / "t", "metrics", pandas.DataFrame([long])[:0])
    with pytest.raises(FirstsightError, match="unknown column 'fca_anomalous_area'"):
        write_table(tmp_path / "t", "images", [IMAGE | scored("fca", 1.0, 1, 1.0)])
    with pytest.raises(FirstsightError, match="column 'fca_score' is missing"):
        write_table(tmp_path / "t", "images", [IMAGE], detectors=["fca"])


def test_unknown_tables_and_detectors_out_of_place(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="unknown table 'pictures'"):
        write_table(tmp_path / "t", "pictures", [])
    with pytest.raises(FirstsightError, match="regions: it has no columns by detector"):
        write_table(tmp_path / "t", "regions", [], detectors=["fca"])


def test_reading_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="no such table"):
        read_table(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("not a table, however long this line of text may be")
    with pytest.raises(DamagedError, match="not a Parquet table") as caught:
        read_table(tmp_path / "text.parquet")
    assert caught.value.path == tmp_path / "text.parquet"


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "regions.parquet"
    write_table(path, "regions", [{**REGION, "region": number} for number in range(20)])
    whole, expected = path.read_bytes(), read_table(path)
    refused = 0
    for place in range(0, len(whole), 11):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            found = read_table(path)
        except DamagedError:
            refused += 1
            continue
        pandas.testing.assert_frame_equal(found, expected)
    assert refused > len(whole) / 11 / 3


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "regions.parquet"
    write_table(path, "regions", [REGION])
    expected = read_table(path)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([REGION], schema=SCHEMAS["regions"]), path)
    pandas.testing.assert_frame_equal(read_table(path), expected)


def test_a_folder_that_looks_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    path = tmp_path / "detector=fca" / "regions.parquet"
    write_table(path, "regions", [REGION])
    assert list(read_table(path).columns) == SCHEMAS["regions"].names


def test_parts_are_joined_in_the_order_of_their_keys(tmp_path: Path) -> None:
    generator = numpy.random.default_rng(0)
    rows = [
        REGION | {"collection": collection, "image": image, "region": number}
        for collection in ("b", "a")
        for image in ("é.png", "Z.png", "a.png")
        for number in range(12)
    ]
    order = generator.permutation(len(rows))
    parts = [tmp_path / f"part{number}" for number in range(3)]
    for number, part in enumerate(parts):
        write_table(part, "regions", [rows[index] for index in order[number::3]])
    concatenate_tables("regions", parts, tmp_path / "forward")
    concatenate_tables("regions", parts[::-1], tmp_path / "backward")
    assert (tmp_path / "forward").read_bytes() == (tmp_path / "backward").read_bytes()
    joined = read_table(tmp_path / "forward")
    found = list(zip(joined["collection"], joined["image"], joined["region"], strict=True))
    assert found == sorted(found, key=lambda key: (key[0], key[1].encode(), key[2]))
    assert len(found) == len(rows)


def test_images_of_different_detectors_are_joined(tmp_path: Path) -> None:
    write_table(tmp_path / "a", "images", [IMAGE | scored("fca", 0.5, 7, 0.25)], detectors=["fca"])
    write_table(
        tmp_path / "b", "images", [IMAGE | {"collection": "cloth"} | scored("sww", 1.5, 0, 2)], detectors=["sww"]
    )
    write_table(tmp_path / "c", "images", [IMAGE | {"collection": "wood"}])
    concatenate_tables("images", [tmp_path / name for name in "abc"], tmp_path / "images.parquet")
    assert pyarrow.parquet.read_schema(tmp_path / "images.parquet").equals(images_schema(["fca", "sww"]))
    joined = read_table(tmp_path / "images.parquet")
    assert joined["collection"].tolist() == ["cloth", "tiles", "wood"]
    assert joined["fca_anomalous_area"].tolist() == [pandas.NA, 7, pandas.NA]
    assert joined["sww_score"].isna().tolist() == [False, True, True]


def test_joining_nothing_and_joining_the_wrong_table(tmp_path: Path) -> None:
    concatenate_tables("regions", [], tmp_path / "none")
    assert pyarrow.parquet.read_schema(tmp_path / "none").equals(SCHEMAS["regions"])
    write_table(tmp_path / "metrics", "metrics", [METRIC])
    with pytest.raises(FirstsightError, match=r"regions .*metrics.*column 'image' is missing"):
        concatenate_tables("regions", [tmp_path / "metrics"], tmp_path / "out")
    with pytest.raises(FirstsightError, match="unknown table"):
        concatenate_tables("pictures", [], tmp_path / "out")


def test_the_files_are_compressed_with_zstd(tmp_path: Path) -> None:
    write_table(tmp_path / "t", "regions", [REGION] * 10)
    metadata = pyarrow.parquet.ParquetFile(tmp_path / "t").metadata
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert metadata.schema.to_arrow_schema().field("image").type == pyarrow.string()
