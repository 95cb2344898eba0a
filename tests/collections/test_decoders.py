"""From a file to its samples: its content tells the format, and each fault is a line.

What every format holds is looked at through `firstsight.collections.images` in test_images.py.
"""

from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from firstsight.collections.decoders import read_samples, read_slice, starts_as_jpeg
from firstsight.collections.stacks import Address
from firstsight.errors import FirstsightError

GREY = np.random.default_rng(0).integers(0, 256, (9, 13)).astype(np.uint8)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "WebP", "TIFF"])
def test_samples_of_a_file_whatever_its_suffix(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a.dat"
    Image.fromarray(GREY).convert("RGB").save(path, format)
    samples = read_samples(path)
    assert (samples.values.shape, samples.maximum, samples.channels, samples.dtype) == ((9, 13, 3), 255, 3, "uint8")
    assert starts_as_jpeg(path) == (format == "JPEG")


def test_a_png_of_sixteen_bits_keeps_them(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 257 - GREY
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(deep))
    samples = read_samples(tmp_path / "a.png")
    np.testing.assert_array_equal(samples.values, deep)
    assert (samples.maximum, samples.dtype) == (65535, "uint16")


def test_a_value_that_stands_for_none_is_missing_but_not_in_a_mask(tmp_path: Path) -> None:
    values = GREY.astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values, extratags=[(42113, "s", 0, str(values[0, 0]), True)])
    missing = read_samples(tmp_path / "a.tif").missing
    assert missing is not None
    np.testing.assert_array_equal(missing, values == values[0, 0])
    assert read_samples(tmp_path / "a.tif", is_mask=True).missing is None


def test_one_image_of_a_stack(tmp_path: Path) -> None:
    stack = np.stack([GREY, GREY + 1])
    tifffile.imwrite(tmp_path / "a.tif", stack, photometric="minisblack")
    np.testing.assert_array_equal(read_slice(Address(tmp_path / "a.tif", None, 1)), stack[1])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"text", "not a PNG, JPEG"),
        (b"\xff\xd8\xff\xe0", "truncated JPEG file|damaged JPEG file"),
        (b"II*\0", "(truncated|damaged) TIFF file"),
    ],
)
def test_what_cannot_be_decoded_is_a_line(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FirstsightError, match=f"^({reason})") as raised:
        read_samples(tmp_path / "a.png")
    assert "\n" not in str(raised.value)
