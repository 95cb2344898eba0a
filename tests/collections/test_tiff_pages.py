"""The pages of a TIFF that are images, by their tags."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from firstsight.collections.images import inspect_image, read_image
from firstsight.collections.readers import ImageFile
from firstsight.collections.tiff_pages import TiffPage, full_pages, main_page, pages_of_file, read_pages

LARGE = np.random.default_rng(1).integers(0, 256, (96, 64), dtype=np.uint8)
SMALL = LARGE[::8, ::8].copy()


def write(path: Path, *pages: tuple[Any, int], **options: Any) -> Path:
    with tifffile.TiffWriter(path, **options) as writer:
        for values, kind in pages:
            writer.write(values, subfiletype=kind, photometric="minisblack")
    return path


def status(path: Path) -> tuple[Any, Any]:
    row = inspect_image(ImageFile("0", path, None, (), None))
    return row["width"], row["remark"]


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}, {"bigtiff": True, "byteorder": ">"}])
def test_a_thumbnail_is_no_image(tmp_path: Path, options: dict[str, Any]) -> None:
    path = write(tmp_path / "0.tif", (SMALL, 1), (LARGE, 0), (LARGE > 9, 4), **options)
    pages = pages_of_file(path)
    assert pages == [TiffPage(8, 12, False), TiffPage(64, 96, True), TiffPage(64, 96, False)]
    assert (full_pages(pages), main_page(pages)) == ([1], 1)
    assert np.array_equal(read_image(path)[..., 0], LARGE / np.float32(255))
    assert status(path) == (64, None)


def test_the_largest_page_is_read_and_others_are_told(tmp_path: Path) -> None:
    assert status(write(tmp_path / "0.tif", (SMALL, 0), (LARGE, 0))) == (64, "only page 2 of 2 is read")
    assert status(write(tmp_path / "1.tif", (LARGE, 0), (SMALL, 1))) == (64, None)
    assert status(write(tmp_path / "2.tif", (SMALL, 1))) == (8, None), "where there is nothing else"
    tifffile.imwrite(tmp_path / "3.tif", np.stack([LARGE] * 3), imagej=True)
    assert "only" in str(status(tmp_path / "3.tif")[1])


@pytest.mark.parametrize(("bands", "told"), [(2, "band 2 of 2 not read"), (3, None), (5, "bands 4 to 5 of 5 not read")])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_bands_that_are_called_grey(tmp_path: Path, bands: int, told: str | None, planar: Any) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 30, bands), dtype=np.uint8)
    stored = values if planar == "contig" else np.moveaxis(values, 2, 0)
    tifffile.imwrite(tmp_path / "0.tif", stored, photometric="minisblack", planarconfig=planar)
    expected = values[..., :3] if bands > 2 else values[..., :1].repeat(3, axis=2)
    assert np.array_equal(read_image(tmp_path / "0.tif"), expected / np.float32(255))
    assert status(tmp_path / "0.tif") == (30, told)


def test_bands_beside_colours(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (40, 30, 4), dtype=np.uint8)
    for kind, told in (("unspecified", "band 4 of 4 not read"), ("unassalpha", None)):
        tifffile.imwrite(tmp_path / "0.tif", values, photometric="rgb", extrasamples=[kind])
        assert status(tmp_path / "0.tif")[1] == told


@pytest.mark.parametrize("end", range(0, 200, 7))
def test_a_chain_that_breaks_ends(tmp_path: Path, end: int) -> None:
    whole = write(tmp_path / "0.tif", (SMALL, 0), (SMALL, 0)).read_bytes()
    assert len(read_pages(io.BytesIO(whole[:end]))) <= 2
    looped = bytearray(whole)
    looped[8:] = looped[8:].replace(b"\0\0\0\0", looped[4:8])
    assert len(read_pages(io.BytesIO(bytes(looped)))) <= 3
    assert pages_of_file(tmp_path / "gone.tif") == []
    assert main_page([]) == 0
