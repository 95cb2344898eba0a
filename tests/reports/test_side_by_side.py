"""Pictures of studies: they are drawn, whatever the values and names."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firstsight.reports.side_by_side import MapPair, draw_curves, draw_map_pairs


def pair(title: str, *, hole: bool, mask: str | None) -> MapPair:
    generator = np.random.default_rng(0)
    image = generator.random((30, 50, 3), dtype=np.float32)
    image[3:9, 4:20] = np.nan if hole else 0.5
    masks = {"none": np.zeros((30, 50), bool), "all": np.ones((30, 50), bool), "part": np.eye(30, 50, dtype=bool)}
    maps = {"fca": generator.random((30, 50), dtype=np.float32), "flat": np.zeros((30, 50), np.float32)}
    return MapPair(title, image, None if mask is None else masks[mask], maps)


@pytest.mark.parametrize("mask", [None, "none", "all", "part"])
def test_a_row_for_each_pair(tmp_path: Path, mask: str | None) -> None:
    one, two = tmp_path / "one.png", tmp_path / "two.png"
    draw_map_pairs(one, [pair("a.png", hole=False, mask=mask)])
    draw_map_pairs(two, [pair("a.png", hole=True, mask=mask), pair("$x_1^$ \udce9 <b>", hole=True, mask=mask)])
    with Image.open(one) as first, Image.open(two) as second:
        assert second.width == first.width
        assert second.height == 2 * first.height
        assert np.asarray(first.convert("L")).std() > 10


def test_without_pairs_the_picture_says_so(tmp_path: Path) -> None:
    draw_map_pairs(tmp_path / "none.png", [])
    with Image.open(tmp_path / "none.png") as picture:
        assert 0 < (np.asarray(picture.convert("L")) < 128).mean() < 0.1


@pytest.mark.parametrize("detectors", [1, 12, 31])
def test_curves(tmp_path: Path, detectors: int) -> None:
    values = {f"detector_{number}": {0.0: 0.5, 10.0: 0.1 * (number % 10)} for number in range(detectors)}
    draw_curves(tmp_path / "curves.png", {"noise, %": values, "missing pixels, %": values}, "AP")
    draw_curves(tmp_path / "empty.png", {}, "AP")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > picture.height
