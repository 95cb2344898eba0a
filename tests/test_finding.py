"""Anomalies of one image from Python. tests/workflow/test_command.py compares them with those of a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import firstsight
from firstsight.errors import FirstsightError


def spotted(*shape: int) -> NDArray[np.uint8]:
    """Noise with a bright spot."""
    values = np.random.default_rng(0).integers(60, 200, shape).astype(np.uint8)
    values[30:42, 50:62] = 255
    return values


@pytest.mark.parametrize("shape", [(80, 96), (80, 96, 3)])
def test_an_array_is_as_its_file(tmp_path: Path, shape: tuple[int, ...]) -> None:
    Image.fromarray(spotted(*shape)).save(tmp_path / "a.png")
    of_file = firstsight.find(tmp_path / "a.png", extractor="laws")
    of_array = firstsight.find(spotted(*shape), extractor="laws")
    np.testing.assert_array_equal(of_file.map, of_array.map)
    assert of_file.map.shape == (80, 96)
    assert (of_file.score, of_file.threshold) == (of_array.score, of_array.threshold)
    red = spotted(*shape).reshape(80, 96, -1)[..., 0]
    np.testing.assert_allclose(of_file.image[..., 0], red / 255, atol=1e-6)
    assert of_file.map[36, 56] > of_file.threshold
    assert len(of_file.regions) >= 1


def test_floats_and_missing_pixels_are_taken(tmp_path: Path) -> None:
    values = (spotted(80, 96) / 255).astype(np.float64)
    values[:5] = np.nan
    found = firstsight.find(values, detector="glcm", extractor="laws")
    assert np.isnan(found.image[:5]).all()
    assert np.isfinite(found.map).all()


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    found = firstsight.find(spotted(80, 96), extractor="laws")
    found.plot().savefig(tmp_path / "found.png")
    with Image.open(tmp_path / "found.png") as picture:
        assert len(np.unique(np.asarray(picture).reshape(-1, 4), axis=0)) > 100


@pytest.mark.parametrize(
    ("image", "more", "line"),
    [
        ("nowhere.png", {}, "no such file: .*nowhere.png"),
        (".", {}, "is a folder: run `firstsight "),
        ("a.zip", {}, r"a.zip is no image by its ending: there are .*\.bmp, .*\.png"),
        ("empty.png", {}, "empty.png: empty file"),
        (np.zeros((4, 4, 7)), {}, "an image is .*, not 4 x 4 x 7"),
        (spotted(80, 96), {"detector": "fac"}, "unknown detector 'fac'"),
        (spotted(80, 96), {"detector": "blind"}, "blind learns from a whole collection: run `firstsight FOLDER"),
    ],
)
def test_what_cannot_be_searched_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: Any, more: dict[str, str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.zip", "empty.png"):
        Path(name).touch()
    with pytest.raises(FirstsightError, match=line):
        firstsight.find(image, extractor="laws", **more)


def test_an_unknown_name_is_none_of_the_package() -> None:
    with pytest.raises(AttributeError, match="no attribute 'fin'"):
        firstsight.fin  # noqa: B018
