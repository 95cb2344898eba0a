"""Crops: the region in the middle, moved into the frame at its edge, original beside map."""

from pathlib import Path

import numpy
import pytest
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.crops import CROP_SIDE, Box, crop_region
from firstsight.reports.overlays import Layers
from firstsight.reports.picture_files import picture_files

RED, BLUE, GREEN = (255, 0, 0), (0, 0, 255), (0, 255, 0)


def draw(folder: Path, box: tuple[int, int, int, int]) -> tuple[Path, str]:
    """A blue picture of 400 x 200 with a red box, and an overlay in which the box is green."""
    drawn = []
    for colour in (RED, GREEN):
        made = Image.new("RGB", (400, 200), BLUE)
        made.paste(colour, box)
        drawn.append(made)
    with picture_files(folder) as files:
        files.add("a.png", Layers(overlay=drawn[1], picture=drawn[0], lines=Image.new("RGBA", (400, 200))))
    return folder, "a.png"


def halves(made: Image.Image) -> tuple[numpy.ndarray, numpy.ndarray]:
    pixels = numpy.asarray(made.convert("RGB")).astype(int)
    return pixels[:, :CROP_SIDE], pixels[:, -CROP_SIDE:]


def test_a_region_is_in_the_middle_of_both_halves(tmp_path: Path) -> None:
    # The drawing has half the size of the image.
    made = crop_region(*draw(tmp_path, (200, 80, 240, 120)), (800, 400), Box(400, 160, 80, 80))
    assert made.size == (2 * CROP_SIDE + 4, CROP_SIDE)
    for half, colour in zip(halves(made), (RED, GREEN), strict=True):
        inside = numpy.abs(half - numpy.array(colour)).max(axis=2) < 40
        rows, columns = numpy.nonzero(inside)
        assert abs(rows.mean() - CROP_SIDE / 2) < 3
        assert abs(columns.mean() - CROP_SIDE / 2) < 3
        assert 0.1 < inside.mean() < 0.4


def test_a_region_at_the_edge_is_seen_whole(tmp_path: Path) -> None:
    left, _ = halves(crop_region(*draw(tmp_path, (380, 0, 400, 20)), (400, 200), Box(380, 0, 20, 20)))
    assert numpy.abs(left[2, -3] - numpy.array(RED)).max() < 40
    assert numpy.abs(left[-3, 2] - numpy.array(BLUE)).max() < 40


def test_without_a_box_the_image_is_shown_whole(tmp_path: Path) -> None:
    made = numpy.asarray(crop_region(*draw(tmp_path, (0, 0, 400, 200)), (400, 200), None))
    assert (made[CROP_SIDE // 2, :CROP_SIDE, 3] == 255).all()
    assert (made[:30, :, 3] == 0).all()


def test_a_drawing_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"the page needs the pictures in .*layers-\d+\.js"):
        crop_region(tmp_path, "absent.png", (4, 4), None)
