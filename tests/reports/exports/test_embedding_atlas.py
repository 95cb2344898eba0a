"""The table for Embedding Atlas against what its command line documents."""

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow
from PIL import Image
from pyarrow import parquet

from firstsight.reports.exports.embedding_atlas import PICTURE_SIDE, write_embedding_atlas
from firstsight.reports.exports.findings import Findings, ImageFindings


def check_format(table: pyarrow.Table, x: str, y: str, neighbors: str, image: str) -> None:
    """Numbers for both axes; neighbours by places of rows, sorted by distance; pictures with bytes and a suffix."""
    assert pyarrow.types.is_floating(table.schema.field(x).type)
    assert pyarrow.types.is_floating(table.schema.field(y).type)
    for row, near in enumerate(table[neighbors].to_pylist()):
        assert sorted(near) == ["distances", "ids"]
        assert len(near["ids"]) == len(near["distances"])
        assert near["distances"] == sorted(near["distances"])
        assert row not in near["ids"]
        assert set(near["ids"]) <= set(range(len(table)))
    for picture in table[image].to_pylist():
        assert picture["path"].rpartition(".")[2] in {"png", "jpg", "jpeg", "tiff", "tif", "gif"}
        with Image.open(BytesIO(picture["bytes"])) as opened:
            assert max(opened.size) <= PICTURE_SIDE
            opened.load()


def test_every_image_by_likeness_is_a_row(findings: Findings, images: list[ImageFindings], tmp_path: Path) -> None:
    write_embedding_atlas(findings, iter(images), tmp_path)
    table = parquet.read_table(tmp_path / "images.parquet")
    check_format(table, "x", "y", "neighbors", "picture")
    plane, by_name = findings.plane, {image.entry.image: image for image in images}
    assert table["image"].to_pylist() == list(plane.images)
    assert len(plane.images) < len(images), "one has no descriptor, and is not drawn"
    for row, name in zip(table.to_pylist(), plane.images, strict=True):
        image, place = by_name[name], plane.images.index(name)
        assert [row["x"], row["y"]] == plane.points[place]
        assert row["neighbors"]["ids"] == plane.near[place]
        assert (row["kind"], row["score"]) == (image.entry.cluster_name, image.score)
        assert (row["regions"], row["path"]) == (len(image.regions), image.entry.path)
        pixels = image.pixels()
        assert pixels is not None
        with Image.open(BytesIO(row["picture"]["bytes"])) as picture:
            assert np.abs(np.asarray(picture).mean() - 255 * np.nan_to_num(pixels, nan=0.5).mean()) < 8
    # Any program that reads JSON takes it, too.
    json.dumps(table.drop_columns("picture").to_pylist())


def test_a_collection_without_maps(nothing: Findings, tmp_path: Path) -> None:
    write_embedding_atlas(nothing, iter([]), tmp_path)
    assert len(parquet.read_table(tmp_path / "images.parquet")) == 0
