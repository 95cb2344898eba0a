import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from firstsight.collections import samples
from firstsight.collections.images import inspect_image, read_image, read_mask
from firstsight.collections.readers import ImageFile, list_images
from firstsight.errors import FirstsightError

GENERATOR = np.random.default_rng(5)
GREY = GENERATOR.integers(0, 256, (13, 9), dtype=np.uint8)
COLOUR = GENERATOR.integers(0, 256, (13, 9, 3), dtype=np.uint8)
ALPHA = GENERATOR.integers(0, 256, (13, 9, 1), dtype=np.uint8)
DEEP = GENERATOR.integers(0, 65536, (13, 9, 4), dtype=np.uint16)


def rgb(values: np.ndarray, maximum: float = 1) -> np.ndarray:
    """What `read_image` must return for these grey or RGB samples."""
    scaled = values.astype(np.float64) / maximum
    return np.stack([scaled] * 3, axis=2) if scaled.ndim == 2 else scaled


def assert_reads(path: Path, expected: np.ndarray, tolerance: float = 1e-6) -> None:
    image = read_image(path)
    assert image.dtype == np.float32
    assert image.flags.c_contiguous
    assert image.shape == expected.shape
    assert np.nanmin(image) >= 0
    assert np.nanmax(image) <= 1
    np.testing.assert_allclose(image, expected, rtol=0, atol=tolerance)


def png_bytes(rows: list[bytes], size: tuple[int, int], depth: int, colour_type: int, interlace: int = 0) -> bytes:
    """A PNG file of `size` (width, height), written by hand from its scan lines (filter 0)."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, interlace)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def adam7(values: np.ndarray) -> list[bytes]:
    """The scan lines of an interlaced PNG: seven passes, each with its start and step (y, x)."""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    big_endian = values.astype(values.dtype.newbyteorder(">"))
    return [row.tobytes() for y, x, down, right in passes for row in big_endian[y::down, x::right] if row.size]


# 8 bits: PNG, JPEG, BMP, WebP


@pytest.mark.parametrize(
    ("values", "suffix", "options"),
    [
        (GREY, "png", {}),
        (COLOUR, "png", {}),
        (GREY, "bmp", {}),
        (COLOUR, "bmp", {}),
        (GREY, "tif", {}),
        (COLOUR, "tif", {"compression": "tiff_lzw"}),
        (COLOUR, "webp", {"lossless": True}),
    ],
)
def test_eight_bits_without_loss(
    tmp_path: Path, values: NDArray[np.uint8], suffix: str, options: dict[str, Any]
) -> None:
    path = tmp_path / f"0.{suffix}"
    Image.fromarray(values).save(path, **options)
    assert_reads(path, rgb(values, 255))


@pytest.mark.parametrize(("values", "suffix"), [(GREY, "png"), (COLOUR, "png"), (COLOUR, "webp"), (COLOUR, "tif")])
def test_alpha_is_dropped_not_blended(tmp_path: Path, values: NDArray[np.uint8], suffix: str) -> None:
    path = tmp_path / f"0.{suffix}"
    stacked = np.concatenate([values.reshape(13, 9, -1), ALPHA], axis=2)
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(stacked, "LA" if values is GREY else "RGBA").save(path, **options)
    assert_reads(path, rgb(values, 255))
    assert inspect_image(ImageFile("0", path, None, (), None))["channels"] == stacked.shape[2]


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_palette(tmp_path: Path, suffix: str) -> None:
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / f"0.{suffix}")
    assert_reads(tmp_path / f"0.{suffix}", rgb(np.asarray(image.convert("RGB")), 255))


@pytest.mark.parametrize("transparency", [3, bytes([0, 128, 255])])
def test_palette_with_transparency_keeps_the_colours(tmp_path: Path, transparency: bytes | int) -> None:
    image = Image.fromarray(COLOUR).quantize(16)
    image.save(tmp_path / "0.png", transparency=transparency)
    expected = rgb(np.asarray(image.convert("RGB")), 255)
    expected[np.asarray(image) == (3 if transparency == 3 else 0)] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_reads(tmp_path / "0.png", expected)


def test_where_nothing_was_seen_a_pixel_is_missing(tmp_path: Path) -> None:
    alpha = np.full((13, 9, 1), 7, np.uint8)
    alpha[2:5, 3:] = 0
    hole = alpha[..., 0] == 0
    deep = np.concatenate([DEEP[..., :3], alpha.astype(np.uint16)], axis=2)
    floats = DEEP[..., :3] / np.float32(65535)
    floats[2:5, 3:, 1] = np.nan
    Image.fromarray(np.concatenate([GREY[..., None], alpha], axis=2), "LA").save(tmp_path / "grey.png")
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    tifffile.imwrite(tmp_path / "deep.tif", deep, photometric="rgb", extrasamples=["unassalpha"])
    tifffile.imwrite(tmp_path / "other.tif", deep, photometric="rgb", extrasamples=["unspecified"])
    tifffile.imwrite(tmp_path / "floats.tif", floats, photometric="rgb")
    for path, values in {
        "grey.png": rgb(GREY, 255),
        "deep.png": rgb(DEEP[..., :3], 65535),
        "deep.tif": rgb(DEEP[..., :3], 65535),
        "floats.tif": rgb(DEEP[..., :3], 65535),
    }.items():
        assert_reads(tmp_path / path, np.where(hole[..., None], np.nan, values))
    assert not np.isnan(read_image(tmp_path / "other.tif")).any()


def test_what_is_transparent_throughout_says_so_but_a_bmp_is_opaque(tmp_path: Path) -> None:
    bytes_of_bmp = np.concatenate([COLOUR[::-1, :, ::-1], np.zeros((13, 9, 1), np.uint8)], axis=2).tobytes()
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, 9, 13, 1, 32, 3, len(bytes_of_bmp), 0, 0, 0, 0) + masks + bytes(52)
    offset = 14 + len(header)
    start = b"BM" + struct.pack("<IHHI", offset + len(bytes_of_bmp), 0, 0, offset)
    (tmp_path / "0.bmp").write_bytes(start + header + bytes_of_bmp)
    assert Image.open(tmp_path / "0.bmp").mode == "RGBA"
    assert_reads(tmp_path / "0.bmp", rgb(COLOUR, 255))
    clear = np.concatenate([COLOUR, np.zeros((13, 9, 1), np.uint8)], axis=2)
    for name in ("0.png", "0.webp", "0.tif"):
        options: dict[str, Any] = {"lossless": True, "exact": True} if name == "0.webp" else {}
        Image.fromarray(clear).save(tmp_path / name, **options)
        row = inspect_image(ImageFile("0", tmp_path / name, None, (), None))
        assert row["status"] == "every pixel is missing: it is transparent throughout"


def test_missing_pixels_turn_with_the_image(tmp_path: Path) -> None:
    values = np.stack([GREY, np.full_like(GREY, 9)], axis=2)
    values[0, 1, 1] = 0
    image = Image.fromarray(values, "LA")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "0.png", exif=exif)
    assert np.argwhere(np.isnan(read_image(tmp_path / "0.png")[..., 0])).tolist() == [[1, 12]]


def test_a_mask_of_missing_pixels(tmp_path: Path) -> None:
    mask = GREY > 200
    Image.fromarray(COLOUR).save(tmp_path / "0.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(mask[1:]).save(tmp_path / "small.png")
    Image.fromarray(np.ones((13, 9), bool)).save(tmp_path / "all.png")
    found = read_image(tmp_path / "0.png", tmp_path / "mask.png")
    np.testing.assert_allclose(found, np.where(mask[..., None], np.nan, rgb(COLOUR, 255)), atol=1e-6)
    for name, words in {
        "small.png": "mask of missing pixels is 9 x 12, image is 9 x 13",
        "gone.png": "mask of missing pixels cannot be read: no such file",
        "all.png": "every pixel is missing",
    }.items():
        row = inspect_image(ImageFile("0", tmp_path / "0.png", None, (), None, tmp_path / name))
        assert row["status"] == words
        with pytest.raises(FirstsightError, match=words):
            read_image(tmp_path / "0.png", tmp_path / name)


def test_an_image_that_varies_only_where_it_is_missing_is_constant(tmp_path: Path) -> None:
    values = np.full((4, 3), 0.5, np.float32)
    values[1, 1] = np.nan
    tifffile.imwrite(tmp_path / "0.tif", values)
    assert str(inspect_image(ImageFile("0", tmp_path / "0.tif", None, (), None))["status"]).startswith("constant")


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif"])
def test_one_bit(tmp_path: Path, suffix: str) -> None:
    bits = GREY > 100
    Image.fromarray(bits).save(tmp_path / f"0.{suffix}")
    assert_reads(tmp_path / f"0.{suffix}", rgb(bits))
    assert np.array_equal(read_mask(tmp_path / f"0.{suffix}"), bits)


@pytest.mark.parametrize("depth", [2, 4])
def test_grey_png_of_few_bits(tmp_path: Path, depth: int) -> None:
    values = GREY[:, :8] >> np.uint8(8 - depth)
    bits = np.unpackbits(values[..., None], axis=2)[..., 8 - depth :].reshape(13, -1)
    (tmp_path / "0.png").write_bytes(png_bytes([row.tobytes() for row in np.packbits(bits, axis=1)], (8, 13), depth, 0))
    assert_reads(tmp_path / "0.png", rgb(values, 2**depth - 1))


@pytest.mark.parametrize(("values", "colour_type"), [(GREY, 0), (COLOUR, 2), (DEEP[..., 0], 0), (DEEP[..., :3], 2)])
def test_interlaced_png(tmp_path: Path, values: NDArray[Any], colour_type: int) -> None:
    depth = values.itemsize * 8
    (tmp_path / "0.png").write_bytes(png_bytes(adam7(values), (9, 13), depth, colour_type, interlace=1))
    assert_reads(tmp_path / "0.png", rgb(values, 2**depth - 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg(tmp_path: Path, mode: str, progressive: bool) -> None:
    rows, columns = np.mgrid[:40, :56]
    smooth = np.stack([rows * 5, columns * 4, 255 - rows * 3], axis=2).astype(np.uint8)
    image = Image.fromarray(smooth).convert(mode)
    image.save(tmp_path / "0.jpg", quality=98, subsampling=0, progressive=progressive)
    assert_reads(tmp_path / "0.jpg", rgb(np.asarray(image.convert("RGB")), 255), tolerance=0.03)
    assert_reads(tmp_path / "0.jpg", rgb(np.asarray(Image.open(tmp_path / "0.jpg").convert("RGB")), 255))


@pytest.mark.parametrize("suffix", ["webp", "png", "tif"])
def test_the_first_frame_or_page_is_read(tmp_path: Path, suffix: str) -> None:
    first, *others = (Image.fromarray(np.roll(COLOUR, shift, axis=2)) for shift in range(3))
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    first.save(tmp_path / f"0.{suffix}", save_all=True, append_images=others, **options)
    assert_reads(tmp_path / f"0.{suffix}", rgb(COLOUR, 255))


def test_the_content_tells_the_format_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "0.png")
    (tmp_path / "0.png").rename(tmp_path / "0.jpg")
    assert_reads(tmp_path / "0.jpg", rgb(COLOUR, 255))


# More than 8 bits


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_keeps_its_depth(tmp_path: Path, channels: int) -> None:
    values = np.ascontiguousarray(DEEP[..., :channels].squeeze())
    (tmp_path / "0.png").write_bytes(imagecodecs.png_encode(values))
    expected = DEEP[..., 0] if channels < 3 else DEEP[..., :3]
    assert_reads(tmp_path / "0.png", rgb(expected, 65535))
    row = inspect_image(ImageFile("0", tmp_path / "0.png", None, (), None))
    assert (row["channels"], row["dtype"]) == (channels, "uint16")


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32", "int8", "int16", "int32"])
@pytest.mark.parametrize("channels", [1, 3])
def test_integer_tiff(tmp_path: Path, dtype: str, channels: int) -> None:
    values = GENERATOR.integers(0, np.iinfo(dtype).max, (13, 9, channels), dtype=dtype, endpoint=True).squeeze()
    tifffile.imwrite(tmp_path / "0.tif", values, photometric="minisblack" if channels == 1 else "rgb")
    assert_reads(tmp_path / "0.tif", rgb(values, np.iinfo(dtype).max))
    row = inspect_image(ImageFile("0", tmp_path / "0.tif", None, (), None))
    assert (row["channels"], row["dtype"], row["width"], row["height"]) == (channels, dtype, 9, 13)


def test_integers_below_zero_are_scaled_to_their_range(tmp_path: Path) -> None:
    values = np.array([[-300, 0], [100, 300]], np.int16)
    tifffile.imwrite(tmp_path / "0.tif", values)
    assert_reads(tmp_path / "0.tif", rgb((values + 300.0) / 600))


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib", "predictor": True},
        {"compression": "lzw", "rowsperstrip": 3},
        {"compression": "zstd"},
        {"tile": (16, 16), "compression": "zlib"},
        {"bigtiff": True},
        {"byteorder": ">"},
        {"rowsperstrip": 2},
        {"metadata": None, "extrasamples": ["unassalpha"]},
    ],
)
def test_ways_to_store_a_tiff(tmp_path: Path, options: dict[str, Any]) -> None:
    values = DEEP if "extrasamples" in options else DEEP[..., :3]
    tifffile.imwrite(tmp_path / "0.tif", values, photometric="rgb", **options)
    assert_reads(tmp_path / "0.tif", rgb(DEEP[..., :3], 65535))


def test_tiff_with_planes_one_after_the_other(tmp_path: Path) -> None:
    planes = np.moveaxis(DEEP[..., :3], 2, 0)
    tifffile.imwrite(tmp_path / "0.tif", planes, photometric="rgb", planarconfig="separate", compression="zlib")
    assert_reads(tmp_path / "0.tif", rgb(DEEP[..., :3], 65535))


def test_tiff_colour_models(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "white.tif", DEEP[..., 0], photometric="miniswhite")
    assert_reads(tmp_path / "white.tif", rgb(65535 - DEEP[..., 0], 65535))
    ink = np.concatenate([COLOUR, ALPHA // 2], axis=2)
    tifffile.imwrite(tmp_path / "ink.tif", ink, photometric="separated")
    assert_reads(tmp_path / "ink.tif", (1 - ink[..., :3] / 255) * (1 - ink[..., 3:] / 255))
    colours = GENERATOR.integers(0, 256, (3, 256), dtype=np.uint16)
    expected = rgb(np.moveaxis(colours[:, GREY], 0, 2), 255)
    for factor in (1, 256, 257):
        tifffile.imwrite(tmp_path / "palette.tif", GREY, photometric="palette", colormap=colours * np.uint16(factor))
        assert_reads(tmp_path / "palette.tif", expected)
    tifffile.imwrite(tmp_path / "lab.tif", COLOUR, photometric="cielab")
    with pytest.raises(FirstsightError, match="TIFF colours of kind CIELAB with 3 samples a pixel are not supported"):
        read_image(tmp_path / "lab.tif")
    tifffile.imwrite(tmp_path / "complex.tif", GREY.astype(np.complex64))
    with pytest.raises(FirstsightError, match="samples of type complex64 are not supported"):
        read_image(tmp_path / "complex.tif")


def test_tiff_compressed_as_jpeg(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    smooth = np.stack([rows * 5, columns * 3, rows + columns], axis=2).astype(np.uint8)
    tifffile.imwrite(tmp_path / "0.tif", smooth, photometric="rgb", compression="jpeg", compressionargs={"level": 98})
    assert_reads(tmp_path / "0.tif", rgb(smooth, 255), tolerance=0.05)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_in_the_unit_range_are_taken_as_they_are(tmp_path: Path, dtype: type[Any]) -> None:
    values = (0.2 + 0.5 * GENERATOR.random((13, 9))).astype(dtype)
    tifffile.imwrite(tmp_path / "0.tif", values)
    assert_reads(tmp_path / "0.tif", rgb(values))


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255), (5, 5.5), (-3e38, 3e38), (0, 1.0001)])
def test_other_floats_are_scaled_to_their_range(tmp_path: Path, low: float, high: float) -> None:
    unit = GENERATOR.random((13, 9, 3))
    unit.flat[:2] = 0, 1
    tifffile.imwrite(tmp_path / "0.tif", (low + unit * (high - low)).astype(np.float32), photometric="rgb")
    assert_reads(tmp_path / "0.tif", unit, tolerance=1e-5)


def test_a_constant_float_image_out_of_range_is_black(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "0.tif", np.full((4, 5), 7, np.float32))
    assert_reads(tmp_path / "0.tif", np.zeros((4, 5, 3)))


# Orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_orientation_is_applied_to_image_and_mask(tmp_path: Path, orientation: int, suffix: str) -> None:
    path = tmp_path / f"0.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    options: dict[str, dict[str, Any]] = {"webp": {"lossless": True}, "jpg": {"quality": 95}}
    Image.fromarray(COLOUR).save(path, exif=exif, **options.get(suffix, {}))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert upright.shape[:2] == ((9, 13) if orientation > 4 else (13, 9))
    assert_reads(path, rgb(upright, 255))
    assert np.array_equal(read_mask(path), upright.max(axis=2) > 127)


def test_orientation_of_a_sixteen_bit_png(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(DEEP[..., 0]).save(tmp_path / "0.png", exif=exif)
    assert_reads(tmp_path / "0.png", rgb(np.rot90(DEEP[..., 0], -1), 65535))


@pytest.mark.parametrize("exif", [b"Exif\0\0broken", b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03", b""])
def test_broken_exif_does_not_cost_the_image(tmp_path: Path, exif: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "0.jpg", exif=exif, quality=95)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(tmp_path / "0.jpg").shape == (13, 9, 3)
    assert capfd.readouterr() == ("", "")


# Masks


@pytest.mark.parametrize("maximum", [255, 65535])
def test_grey_masks_count_above_half_of_the_range(tmp_path: Path, maximum: int) -> None:
    values = np.array([[0, 1, maximum // 2, maximum // 2 + 1, maximum - 1]], np.uint8 if maximum == 255 else np.uint16)
    (tmp_path / "0.png").write_bytes(imagecodecs.png_encode(values))
    assert read_mask(tmp_path / "0.png").tolist() == [[False, False, False, True, True]]


@pytest.mark.parametrize("values", [[[0, 1, 0]], [[1, 1]], [[0, 0]]])
def test_masks_of_zeros_and_ones(tmp_path: Path, values: list[list[int]]) -> None:
    Image.fromarray(np.array(values, np.uint8)).save(tmp_path / "0.png")
    tifffile.imwrite(tmp_path / "0.tif", np.array(values, np.float32))
    assert read_mask(tmp_path / "0.png").tolist() == (np.array(values) == 1).tolist()
    assert read_mask(tmp_path / "0.tif").tolist() == (np.array(values) == 1).tolist()


def test_masks_of_bits(tmp_path: Path) -> None:
    bits = GREY > 100
    # Without a photometric tifffile says "0 is white" of bits, and so they would be read the other way round.
    tifffile.imwrite(tmp_path / "0.tif", bits, photometric="minisblack")
    assert np.array_equal(read_mask(tmp_path / "0.tif"), bits)
    Image.fromarray(np.dstack([bits.astype(np.uint8)] * 3)).save(tmp_path / "ones.png")
    assert np.array_equal(read_mask(tmp_path / "ones.png"), bits)


def test_masks_in_colour_palette_and_alpha(tmp_path: Path) -> None:
    mask = GREY > 128
    red = np.zeros((13, 9, 3), np.uint8)
    red[mask] = 200, 0, 0
    Image.fromarray(red).save(tmp_path / "red.png")
    indexed = Image.fromarray(mask.astype(np.uint8)).convert("P")
    indexed.putpalette([0, 0, 0, 128, 0, 0])
    indexed.save(tmp_path / "palette.png")
    Image.fromarray(np.dstack([mask * np.uint8(255), ALPHA]), "LA").save(tmp_path / "alpha.png")
    tifffile.imwrite(tmp_path / "float.tif", np.where(mask, 255.0, 3.0).astype(np.float32))
    for path in tmp_path.iterdir():
        assert np.array_equal(read_mask(path), mask), path.name


# What cannot be read


def write_bad_files(folder: Path) -> dict[str, str]:
    """One file of every way to be wrong, and the status that each must get."""
    Image.fromarray(COLOUR).save(folder / "whole.png")
    whole = (folder / "whole.png").read_bytes()
    (folder / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (folder / "header.png").write_bytes(whole[:20])
    (folder / "flipped.png").write_bytes(whole[:60] + bytes([whole[60] ^ 255]) + whole[61:])
    deep = imagecodecs.png_encode(DEEP)
    (folder / "deep.png").write_bytes(deep[: len(deep) // 2])
    Image.fromarray(COLOUR).resize((90, 130)).save(folder / "truncated.jpg", quality=95)
    (folder / "truncated.jpg").write_bytes((folder / "truncated.jpg").read_bytes()[:3000])
    Image.fromarray(COLOUR).save(folder / "truncated.bmp")
    (folder / "truncated.bmp").write_bytes((folder / "truncated.bmp").read_bytes()[:200])
    for name, compression in [("plain", None), ("packed", "zlib")]:
        tifffile.imwrite(folder / f"{name}.tif", DEEP, photometric="rgb", compression=compression)
        (folder / f"{name}.tif").write_bytes((folder / f"{name}.tif").read_bytes()[:-100])
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("This is not an image.")
    (folder / "pickle.png").write_bytes(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")
    nan = np.zeros((4, 4), np.float32)
    for value in (np.nan, np.inf, -np.inf):
        nan[1, 2] = value
        tifffile.imwrite(folder / f"{value}.tif", nan)
    tifffile.imwrite(folder / "hollow.tif", np.full((4, 4), np.nan, np.float32))
    Image.new("RGBA", (4, 4)).save(folder / "glass.png")
    Image.fromarray(np.full((5, 6, 3), 9, np.uint8)).save(folder / "constant.png")
    Image.new("L", (1, 1)).save(folder / "one.png")
    (folder / "zero.png").write_bytes(png_bytes([], (0, 5), 8, 0))
    (folder / "bomb.png").write_bytes(png_bytes([b"\0" * 10], (30000, 20000), 8, 0))
    (folder / "gone.png").symlink_to("nowhere")
    return {
        "whole.png": "ok",
        "truncated.png": "truncated PNG file",
        "header.png": "truncated PNG file",
        "flipped.png": "damaged PNG file",
        "deep.png": "truncated PNG file",
        "truncated.jpg": "truncated JPEG file",
        "truncated.bmp": "truncated BMP file",
        "plain.tif": "truncated TIFF file",
        "packed.tif": "truncated TIFF file",
        "empty.png": "empty file",
        "text.png": "not a PNG, JPEG, TIFF, BMP, WebP, AVIF, HEIF, JPEG 2000 or DICOM image",
        "pickle.png": "not a PNG, JPEG, TIFF, BMP, WebP, AVIF, HEIF, JPEG 2000 or DICOM image",
        "nan.tif": "constant image",
        "hollow.tif": "every pixel is missing",
        "glass.png": "every pixel is missing",
        "inf.tif": "not finite",
        "-inf.tif": "not finite",
        "constant.png": "constant image: every pixel has the same value",
        "one.png": "constant image: every pixel has the same value",
        "zero.png": "damaged PNG file: zero size",
        "bomb.png": "too large: 30000 x 20000 pixels",
        "gone.png": "no such file",
    }


def assert_fit_for_a_table(status: str) -> None:
    assert "\n" not in status
    assert 0 < len(status) < 150


def test_every_bad_file_is_a_row_with_its_reason(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    expected = write_bad_files(tmp_path)
    rows = {file.image: inspect_image(file) for file in list_images(tmp_path)}
    assert capfd.readouterr() == ("", "")
    assert rows.keys() == expected.keys()
    for name, row in rows.items():
        status = str(row["status"])
        assert status.startswith(expected[name]), (name, status)
        assert_fit_for_a_table(status)
        assert str(tmp_path) not in status
        digest = sha256((tmp_path / name).read_bytes()).hexdigest() if name != "gone.png" else None
        assert row["sha256"] == digest
        if not expected[name].startswith(("ok", "constant", "every")):
            assert (row["width"], row["dtype"]) == (None, None)
            with pytest.raises(FirstsightError):
                read_image(tmp_path / name)


def test_a_folder_or_a_pipe_is_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path, tmp_path / "pipe.png"):
        with pytest.raises(FirstsightError, match=r"^not a file$"):
            read_image(path)
        row = inspect_image(ImageFile("0", path, None, (), None))
        assert (row["status"], row["sha256"]) == ("not a file", None)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_unreadable_file(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "0.png")
    (tmp_path / "0.png").chmod(0)
    row = inspect_image(list_images(tmp_path)[0])
    assert (row["status"], row["sha256"]) == ("cannot be opened: Permission denied", None)


def test_a_known_problem_is_the_status(tmp_path: Path) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "0.png")
    row = inspect_image(ImageFile("0.png (row 3)", tmp_path / "0.png", None, (), "duplicate row in the sheet"))
    assert (row["status"], row["width"]) == ("duplicate row in the sheet", None)


def test_a_row_of_the_manifest(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    Image.fromarray(COLOUR).save(path, "JPEG", exif=exif)
    row = inspect_image(ImageFile("x.jpg", path, None, (), None))
    assert row == {
        "image": "x.jpg",
        "path": f"{tmp_path}/caf\\udce9.jpg",
        "missing": None,
        "ignored": None,
        "sha256": sha256(path.read_bytes()).hexdigest(),
        "width": 13,
        "height": 9,
        "channels": 3,
        "dtype": "uint8",
        "value_low": None,
        "value_high": None,
        "remark": None,
        "status": "ok",
        "texture_score": None,
        "is_texture": None,
    }


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif"])
def test_a_header_that_claims_too_much(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    path, side = tmp_path / f"0.{suffix}", 2**16
    if suffix == "png":
        path.write_bytes(png_bytes([b"\0" * 10], (side, side), 8, 0))
    elif suffix == "tif":
        tifffile.imwrite(path, GREY)
        with tifffile.TiffFile(path, mode="r+b") as tiff:
            for name in ("ImageWidth", "ImageLength"):
                tiff.pages.first.tags[name].overwrite(side)
    else:
        Image.fromarray(COLOUR).save(path)
        content = bytearray(path.read_bytes())
        # JPEG keeps a side in 16 bits.
        side -= suffix == "jpg"
        start, form = (content.index(b"\xff\xc0") + 5, ">HH") if suffix == "jpg" else (18, "<ii")
        struct.pack_into(form, content, start, side, side)
        path.write_bytes(content)
    with pytest.raises(FirstsightError, match=f"^too large: {side} x {side} pixels"):
        read_image(path)
    assert str(inspect_image(ImageFile("0", path, None, (), None))["status"]).startswith("too large")
    assert capfd.readouterr() == ("", "")


def test_a_name_that_no_file_can_have() -> None:
    with pytest.raises(FirstsightError, match=r"^cannot be opened: embedded null byte$"):
        read_image(Path("a\0.png"))


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp", "tif"])
@pytest.mark.parametrize("size", [(1, 1), (1, 37), (37, 1), (3, 1), (1, 4), (7, 5)])
def test_thin_and_odd_sizes(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    values = GENERATOR.integers(0, 256, (*size, 3), dtype=np.uint8)
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    Image.fromarray(values).save(tmp_path / f"0.{suffix}", **options)
    assert_reads(tmp_path / f"0.{suffix}", rgb(values, 255))
    if suffix == "tif":
        tifffile.imwrite(tmp_path / "0.tif", values, photometric="rgb", compression="zlib")
        assert_reads(tmp_path / "0.tif", rgb(values, 255))


def test_a_long_thin_image_is_ok(tmp_path: Path) -> None:
    values = np.tile(np.arange(20000, dtype=np.uint16).astype(np.uint8), (2, 1))
    Image.fromarray(values).save(tmp_path / "0.png")
    row = inspect_image(list_images(tmp_path)[0])
    assert (row["status"], row["width"], row["height"]) == ("ok", 20000, 2)
    assert_reads(tmp_path / "0.png", rgb(values, 255))


def test_pillow_and_warnings_are_left_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(COLOUR).save(tmp_path / "0.png")
    Image.fromarray(COLOUR).save(tmp_path / "0.webp")
    # To Pillow 117 pixels are now a decompression bomb.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(tmp_path / "0.png")
    filters = list(warnings.filters)
    with ThreadPoolExecutor(4) as threads:
        shapes = [array.shape for array in threads.map(read_image, [tmp_path / "0.png", tmp_path / "0.webp"] * 20)]
    assert shapes == [(13, 9, 3)] * 40
    assert Image.MAX_IMAGE_PIXELS == 10
    assert warnings.filters == filters


def test_damaged_bytes_never_raise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # A flipped bit may ask for an image of gigabytes, which is right to try but slow to test.
    monkeypatch.setattr(samples, "PIXEL_LIMIT", 10**5)
    for suffix, options in [("png", {}), ("jpg", {}), ("bmp", {}), ("webp", {}), ("tif", {"compression": "tiff_lzw"})]:
        Image.fromarray(COLOUR).save(tmp_path / f"whole.{suffix}", **options)
    tifffile.imwrite(tmp_path / "deep.tif", DEEP[..., :3], photometric="rgb", compression="zlib")
    (tmp_path / "deep.png").write_bytes(imagecodecs.png_encode(DEEP))
    generator = np.random.default_rng(0)
    reasons = set()
    for whole in sorted(tmp_path.iterdir()):
        content = np.frombuffer(whole.read_bytes(), np.uint8)
        for _ in range(80):
            damaged = content[: generator.integers(1, len(content), endpoint=True)].copy()
            if generator.random() < 0.7:
                damaged = content.copy()
                places = generator.integers(0, min(len(content), 300), generator.integers(1, 6))
                damaged[places] = generator.integers(0, 256, len(places))
            whole.write_bytes(damaged.tobytes())
            status = str(inspect_image(ImageFile(whole.name, whole, None, (), None))["status"])
            assert_fit_for_a_table(status)
            reasons.add(status)
    assert len(reasons) > 20
    assert capfd.readouterr() == ("", "")
