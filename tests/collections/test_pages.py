"""A TIFF of several pages in a folder is a pile of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from firstsight.collections.images import read_image, read_mask
from firstsight.collections.listing import list_collection
from firstsight.collections.pages import with_pages
from firstsight.collections.readers import list_images

PAGES = np.random.default_rng(1).integers(0, 256, (5, 40, 32), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "roll.tif", PAGES, photometric="minisblack")
    tifffile.imwrite(tmp_path / "single.tif", PAGES[0])
    with tifffile.TiffWriter(tmp_path / "mixed.tif") as writer:
        for page in (PAGES[0], PAGES[1, :20]):
            writer.write(page, photometric="minisblack")
    (tmp_path / "broken.tif").write_bytes(b"II*\0")
    (tmp_path / "plain.png").touch()
    return tmp_path


def ids(folder: Path, pages: Any) -> list[str]:
    return [file.image for file in with_pages(list_images(folder), pages)]


def test_pages_of_one_size_are_images(folder: Path) -> None:
    others = ["broken.tif", "mixed.tif", "plain.png"]
    roll = [f"roll.tif/{index:05d}" for index in range(5)]
    assert ids(folder, "auto") == [*others, *roll, "single.tif"]
    assert ids(folder, "first") == [*others, "roll.tif", "single.tif"]
    assert ids(folder, "all")[1:3] == ["mixed.tif/00000", "mixed.tif/00001"]
    files = {file.image: file for file in with_pages(list_images(folder), "auto")}
    for index, name in enumerate(roll):
        assert np.array_equal(read_image(files[name].path)[..., 0], PAGES[index] / np.float32(255))


def test_a_page_by_its_number(folder: Path) -> None:
    assert ids(folder, 2) == ids(folder, "first")
    files = {file.image: file for file in with_pages(list_images(folder), 2)}
    assert np.array_equal(read_image(files["roll.tif"].path)[..., 0], PAGES[1] / np.float32(255))
    assert files["single.tif"].problem == "no page 2: it has 1"
    assert files["plain.png"].problem is None


def test_a_pile_has_a_pile_of_masks_or_is_none(folder: Path) -> None:
    masks = folder / "set/ground_truth/spot"
    masks.mkdir(parents=True)
    images = folder / "set/test/spot"
    images.mkdir(parents=True)
    for name in ("a", "b"):
        tifffile.imwrite(images / f"{name}.tif", PAGES, photometric="minisblack")
    bits = ((PAGES > 128) * 255).astype(np.uint8)
    tifffile.imwrite(masks / "a_mask.tif", bits, photometric="minisblack")
    tifffile.imwrite(masks / "b_mask.tif", bits[0], photometric="minisblack")
    files = with_pages(list_collection(folder / "set").files, "auto")
    assert [file.image for file in files][4:] == ["test/spot/a.tif/00004", "test/spot/b.tif"]
    assert np.array_equal(read_mask(files[3].masks[0]), bits[3] > 0)
