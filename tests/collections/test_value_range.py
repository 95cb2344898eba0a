"""The range of values of a collection is found once, from what its files say or hold."""

from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from firstsight.collections.images import draw_from, image_token, inspect_image, read_image, read_row
from firstsight.collections.readers import ImageFile
from firstsight.collections.samples import Samples
from firstsight.collections.value_range import (
    DrawnValues,
    ValueRange,
    draw_values,
    find_range,
    is_flat,
    is_open,
    scale_values,
)

NOISE = np.random.default_rng(3).random((64, 64))
BYTES = (40 + 170 * NOISE).astype(np.uint8)


def drawn(values: NDArray[Any], stated: tuple[float, float] | None = None) -> DrawnValues:
    return DrawnValues(values.astype(np.float64).reshape(-1), stated)


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        (BYTES, 0, 255),
        (BYTES.astype(np.uint16) * 4, 0, 1023),
        (BYTES.astype(np.uint16) * 16, 0, 4095),
        (BYTES.astype(np.uint16) * 64, 0, 16383),
        (BYTES.astype(np.uint16) * 257, 0, 65535),
        (BYTES.astype(np.float32), 0, 255),
        (NOISE, 0, 1),
        (0.3 + 0.4 * NOISE, 0, 1),
    ],
)
def test_the_fewest_bits_that_hold_the_values(values: NDArray[Any], low: float, high: float) -> None:
    found = find_range([drawn(values), drawn(values[::2])])
    assert (found.low, found.high) == (low, high)
    assert "found from 2 images" in found.says


@pytest.mark.parametrize(
    "values",
    [30_000 + 800 * NOISE, np.round(30_000 + 800 * NOISE), 0.5 + 0.01 * NOISE, -300 + 600 * NOISE, 1e6 + 1e3 * NOISE],
)
def test_values_that_take_little_of_their_type_are_spread(values: NDArray[np.float64]) -> None:
    found = find_range([drawn(values)])
    spread = np.ptp(values)
    assert values.min() - 0.2 * spread < found.low < values.min()
    assert values.max() < found.high < values.max() + 0.2 * spread


def test_one_hot_pixel_does_not_make_the_others_dark() -> None:
    values = np.tile(BYTES.astype(np.uint16) * 16, (4, 4))
    values[5, 5] = 65535
    assert find_range([drawn(values)]).high == 4095


def test_nothing_jumps_at_one() -> None:
    below, above = find_range([drawn(NOISE / NOISE.max())]), find_range([drawn(1.001 * NOISE / NOISE.max())])
    assert (below.low, above.low) == (0, 0)
    assert below.high == 1
    assert 1 <= above.high < 1.002


def test_extremes_do_not_overflow() -> None:
    found = find_range([drawn(np.array([-1e308, 0, 1e308]))])
    assert np.isfinite([found.low, found.high]).all()
    assert find_range([drawn(np.full(5, 7.5))]).low < 7.5 < find_range([drawn(np.full(5, 7.5))]).high


def test_files_that_state_their_range_are_believed_unless_they_err() -> None:
    assert find_range([drawn(BYTES, (0, 4095)), drawn(BYTES, (-10, 4000))]) == ValueRange(-10, 4095, "as the files say")
    assert find_range([drawn(BYTES, (0, 4095)), drawn(BYTES)]).high == 255, "only where all do"
    assert find_range([drawn(BYTES, (0, 1))]).high == 255


def test_only_eight_bits_and_colours_leave_nothing_open() -> None:
    assert not is_open(Samples(BYTES, 255, 1, "uint8"))
    assert not is_open(Samples(NOISE, None, 4, "uint8", fixed=True)), "inks"
    assert is_open(Samples(BYTES.astype(np.uint16), 65535, 1, "uint16"))
    assert is_open(Samples(NOISE, None, 1, "float64"))
    hidden = draw_values(Samples(np.array([[1, 9]], np.uint16), 65535, 1, "uint16", np.array([[False, True]])))
    assert hidden.values.tolist() == [1]


def test_values_beyond_the_range_are_black_or_white() -> None:
    samples = Samples(np.array([[-5, 0, 50, 200]], np.int16), 32767, 1, "int16")
    assert scale_values(samples, ValueRange(0, 100)).tolist() == [[0, 0, 0.5, 1]]
    deep = Samples(np.array([[2**31 - 1, 2**31 - 101]], np.uint32), 2**32 - 1, 1, "uint32")
    assert scale_values(deep, ValueRange(2**31 - 101, 2**31 - 1)).tolist() == [[1, 0]]
    assert is_flat(np.array([[0.5, 0.5004, 0.9]], np.float32), np.array([[False, False, True]]))


def rows_of(folder: Path, values: dict[str, NDArray[Any]], **options: Any) -> list[dict[str, Any]]:
    """What the manifest says of TIFF files of one collection."""
    for name, image in values.items():
        tifffile.imwrite(folder / f"{name}.tif", image, photometric="minisblack", **options)
    files = [ImageFile(name, folder / f"{name}.tif", None, (), None) for name in values]
    limits = find_range([found for file in files if (found := draw_from(file.path)) is not None])
    return [dict(inspect_image(file, lambda: limits)) for file in files]


def test_twelve_bits_look_as_eight_bits_do(tmp_path: Path) -> None:
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(BYTES.astype(np.uint16) * 16))
    (tmp_path / "plain.png").write_bytes(imagecodecs.png_encode(BYTES))
    sample = draw_from(tmp_path / "deep.png")
    assert sample is not None
    assert draw_from(tmp_path / "plain.png") is None
    deep, plain = (
        inspect_image(ImageFile(name, tmp_path / name, None, (), None), lambda: find_range([sample]))
        for name in ("deep.png", "plain.png")
    )
    assert (deep["value_low"], deep["value_high"]) == (0, 4095)
    assert plain["value_low"] is None
    np.testing.assert_allclose(read_row(deep), read_row(plain), atol=1 / 255)
    assert image_token(deep).endswith(" 0.0 to 4095.0")
    assert image_token(plain) == f"plain.png {plain['sha256']} ok"


def test_images_of_one_collection_share_a_scale(tmp_path: Path) -> None:
    dark, light = NOISE.astype(np.float32), (1.5 * NOISE).astype(np.float32)
    first, second = (read_row(row) for row in rows_of(tmp_path, {"dark": dark, "light": light}))
    np.testing.assert_allclose(second, np.minimum(1.5 * first, 1), atol=1e-3)


def test_an_image_that_fills_a_thousandth_of_the_range_says_so(tmp_path: Path) -> None:
    flat = np.round(30_000 + 10 * NOISE).astype(np.uint16)
    deep, row = rows_of(tmp_path, {"deep": BYTES.astype(np.uint16) * 257, "flat": flat})
    assert deep["remark"] is None
    assert row["remark"] == "it fills less than a thousandth of the range of values"
    assert row["status"] == "ok"


@pytest.mark.parametrize(
    ("dtype", "tags", "low", "high"),
    [
        ("uint16", [(280, 3, 1, 0, True), (281, 3, 1, 4095, True)], 0, 4095),
        ("uint16", [(280, 3, 1, 0, True), (281, 3, 1, 65535, True)], 0, 255),
        ("float32", [(340, 11, 1, -50.0, True), (341, 11, 1, 250.0, True)], -50, 250),
        ("int16", [(340, 8, 1, -10, True), (341, 8, 1, 500, True)], -10, 500),
    ],
)
def test_tags_of_a_tiff(tmp_path: Path, dtype: str, tags: list[Any], low: float, high: float) -> None:
    (row,) = rows_of(tmp_path, {"0": BYTES.astype(dtype)}, extratags=tags)
    assert (row["value_low"], row["value_high"]) == (low, high)


@pytest.mark.parametrize("tag", ["-9999", None])
@pytest.mark.parametrize("dtype", ["float32", "int16", "float64"])
def test_a_value_that_stands_for_none_is_missing(tmp_path: Path, tag: str | None, dtype: str) -> None:
    values = BYTES.astype(dtype)
    values[:2, :6] = -9999
    (row,) = rows_of(tmp_path, {"0": values}, extratags=[(42113, 2, 0, tag, True)] if tag else [])
    assert row["remark"] == "pixels of the value -9999 count as missing"
    image = read_row(row)
    assert np.isnan(image[:2, :6]).all()
    np.testing.assert_allclose(image[2:, :, 0], BYTES[2:] / 255, atol=1e-6)


def test_nodata_of_colours_and_of_whole_images(tmp_path: Path) -> None:
    colours = np.dstack([BYTES] * 3)
    colours[0, 0], colours[0, 1] = 0, (0, 90, 90)
    tifffile.imwrite(tmp_path / "0.tif", colours, photometric="rgb", extratags=[(42113, 2, 0, "0", True)])
    missing = np.isnan(read_image(tmp_path / "0.tif")).any(axis=2)
    assert np.argwhere(missing).tolist() == [[0, 0]]
    tifffile.imwrite(tmp_path / "1.tif", np.full((9, 9), -1, np.int16), extratags=[(42113, 2, 0, "-1", True)])
    status = inspect_image(ImageFile("1", tmp_path / "1.tif", None, (), None))["status"]
    assert status == "every pixel is missing: all have the value -1, which stands for no value"
