"""Reading the masks of an image, as files of any kind hold them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import tifffile
from PIL import Image

from firstsight.collections.mask_values import MaskRule
from firstsight.collections.masks import (
    common_convention,
    inspect_masks,
    join_masks,
    read_masks,
    read_row_masks,
    split_masks,
)
from firstsight.errors import FirstsightError

MASK = np.zeros((16, 24), bool)
MASK[4:9, 6:17] = True
CLASSES = np.where(MASK, np.where(np.arange(24) < 12, 1, 8), 0).astype(np.uint8)
"""Two classes within `MASK`."""


def palette(path: Path, indices: np.ndarray, colours: list[tuple[int, int, int]]) -> Path:
    image = Image.fromarray(indices).convert("P")
    image.putpalette([channel for colour in colours for channel in colour])
    image.save(path)
    return path


def rgba(path: Path, colour: tuple[int, int, int], elsewhere: tuple[int, int, int]) -> Path:
    """Paint of one colour where the mask is, and nothing elsewhere, of another colour."""
    pixels = np.zeros((*MASK.shape, 4), np.uint8)
    pixels[..., :3] = np.where(MASK[..., None], colour, elsewhere)
    pixels[..., 3] = np.where(MASK, 180, 0)
    Image.fromarray(pixels).save(path)
    return path


VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (1, 1, 0), (0, 0, 128), (9, 9, 9), (0, 9, 9), (9, 0, 9), (64, 0, 0)]
TAB = [(31, 119, 180), *VOC[1:]]


@pytest.mark.parametrize("colours", [VOC, TAB], ids=["black is first", "no black"])
@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_a_palette_of_classes_is_read_by_its_indices(
    tmp_path: Path, suffix: str, colours: list[tuple[int, int, int]]
) -> None:
    path = palette(tmp_path / f"0.{suffix}", CLASSES, colours)
    if suffix == "bmp" or (suffix == "tif" and colours is TAB):
        # These writers fill the palette up with black.
        colours = VOC
        palette(path, CLASSES, colours)
    assert np.array_equal(read_masks([path]), MASK)
    assert common_convention([path]).says == "masks: class numbers 1 to 8, any is anomalous"
    assert np.array_equal(read_masks([path], MaskRule(among=(8,))), CLASSES == 8)


def test_a_palette_of_greys_or_of_white_before_black_is_read_by_its_colours(tmp_path: Path) -> None:
    white_first = palette(tmp_path / "w.png", (~MASK).astype(np.uint8), [(255, 255, 255), (0, 0, 0)])
    red_first = palette(tmp_path / "r.png", (~MASK).astype(np.uint8), [(255, 0, 0), (0, 0, 0)])
    ramp = palette(tmp_path / "g.png", CLASSES, [(value, value, value) for value in range(256)])
    for path in (white_first, red_first, ramp):
        assert np.array_equal(read_masks([path]), MASK), path.name


def test_paint_on_a_transparent_layer(tmp_path: Path) -> None:
    for number, elsewhere in enumerate([(0, 0, 0), (255, 255, 255), (255, 0, 0)]):
        assert np.array_equal(read_masks([rgba(tmp_path / f"{number}.png", (255, 0, 0), elsewhere)]), MASK)
    Image.new("RGBA", (24, 16), (0, 0, 0, 255)).save(tmp_path / "opaque.png")
    Image.new("RGBA", (24, 16), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    assert not read_masks([tmp_path / "opaque.png"]).any()
    assert not read_masks([tmp_path / "clear.png"]).any()
    # Alpha that nobody filled in.
    Image.fromarray(np.dstack([np.uint8(MASK * 255)] * 3 + [np.zeros(MASK.shape, np.uint8)])).save(tmp_path / "0.png")
    assert np.array_equal(read_masks([tmp_path / "0.png"]), MASK)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.float32, np.float64])
def test_0_and_255_in_any_type(tmp_path: Path, dtype: type) -> None:
    tifffile.imwrite(tmp_path / "0.tif", (MASK * 255).astype(dtype))
    assert np.array_equal(read_masks([tmp_path / "0.tif"]), MASK)


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_the_noise_of_jpeg_is_not_marked(tmp_path: Path, quality: int) -> None:
    Image.fromarray(np.uint8(MASK * 255)).save(tmp_path / "0.jpg", quality=quality)
    Image.open(tmp_path / "0.jpg").save(tmp_path / "0.png")
    Image.fromarray(np.uint8(MASK * 0)).save(tmp_path / "empty.jpg", quality=quality)
    assert read_masks([tmp_path / "0.jpg"]).sum() == pytest.approx(MASK.sum(), abs=4)
    assert read_masks([tmp_path / "0.png"]).sum() == pytest.approx(MASK.sum(), abs=4)
    assert not read_masks([tmp_path / "empty.jpg"]).any()


def test_several_masks_are_joined(tmp_path: Path) -> None:
    for value in (1, 8):
        Image.fromarray(np.uint8(value == CLASSES) * 255).save(tmp_path / f"{value}.png")
    paths = [tmp_path / "1.png", tmp_path / "8.png"]
    assert np.array_equal(read_masks(paths), MASK)
    text = join_masks([str(path) for path in paths])
    assert text is not None
    assert split_masks(text) == paths
    assert join_masks([]) is None
    row = {"mask": text, "mask_values": "> 0", "status": "ok"}
    found = read_row_masks(row)
    assert found is not None
    assert np.array_equal(found, MASK)
    assert read_row_masks(row | {"mask": pandas.NA}) is None
    assert read_row_masks(row | {"status": "truncated PNG file"}) is None
    Image.new("L", (8, 16)).save(tmp_path / "small.png")
    with pytest.raises(FirstsightError, match="its masks differ in size: 24 x 16 and 8 x 16"):
        read_masks([*paths, tmp_path / "small.png"])


def test_masks_that_cannot_be_read_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    Image.fromarray(CLASSES).save(tmp_path / "0.png")
    found = common_convention([tmp_path / name for name in ("empty.png", "0.png", "gone.png")])
    assert found.says == "masks: class numbers 1 to 8, any is anomalous"


def test_masks_are_inspected_against_the_size_of_the_image(tmp_path: Path) -> None:
    Image.fromarray(CLASSES).save(tmp_path / "0.png")
    (tmp_path / "empty.png").touch()

    def inspect(*names: str, height: int = 16) -> tuple[str, float | None]:
        return inspect_masks([tmp_path / name for name in names], height, 24)

    assert inspect("0.png") == ("ok", MASK.mean())
    assert inspect("0.png", height=24) == ("mask is 24 x 16, image is 24 x 24", None)
    assert inspect("0.png", "empty.png") == ("mask cannot be read: empty file", None)
    assert inspect("gone.png") == ("mask cannot be read: no such file", None)
    assert inspect(".") == ("mask cannot be read: not a file", None)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("nodata", [0, 255, -9999])
def test_no_value_of_a_mask_stands_for_none(tmp_path: Path, dtype: type, nodata: int) -> None:
    tags: Any = [(42113, 2, 0, str(nodata), True)]
    for name, values in (("marked", MASK * 255), ("empty", MASK * 0)):
        tifffile.imwrite(tmp_path / f"{name}.tif", values.astype(dtype), photometric="minisblack", extratags=tags)
    assert np.array_equal(read_masks([tmp_path / "marked.tif"]), MASK)
    assert inspect_masks([tmp_path / "empty.tif"], *MASK.shape) == ("ok", 0.0)
