"""Overlays: what is painted where, at which size, and under which name."""

import colorsys
import string
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports import overlays
from firstsight.reports.overlays import (
    CONTOUR_COLOUR,
    LONGEST_SIDE,
    MASK_COLOUR,
    draw_colour_bar,
    draw_layers,
    overlay_name,
    replace_image,
    write_image,
)


def draw_overlay(image: NDArray, anomaly_map: NDArray[numpy.float32], threshold: float, **settings: Any) -> Image.Image:
    return draw_layers(image, anomaly_map, regions=anomaly_map > threshold, **settings).overlay


def grey(height: int, width: int, value: float = 0.5) -> NDArray[numpy.float32]:
    return numpy.full((height, width, 3), value, dtype=numpy.float32)


def zeros(height: int, width: int) -> NDArray[numpy.float32]:
    return numpy.zeros((height, width), dtype=numpy.float32)


def painted(drawn: Image.Image, colour: tuple[int, int, int]) -> NDArray[numpy.bool_]:
    pixels = numpy.asarray(drawn.convert("RGB")).astype(int)
    return (numpy.abs(pixels - numpy.array(colour)) <= 2).all(axis=2)


def test_where_nothing_is_wrong_the_picture_is_as_it_was() -> None:
    image = numpy.random.default_rng(0).random((300, 260, 3)).astype(numpy.float32)
    drawn = draw_overlay(image, zeros(300, 260), scale=(0, 1), threshold=0.5, mask=numpy.zeros((300, 260), bool))
    assert drawn.size == (260, 300)
    assert drawn.mode == "RGB"
    assert numpy.abs(numpy.asarray(drawn) / 255 - image).max() <= 0.51 / 255


def test_the_heat_grows_with_the_value_and_stops_at_the_ends_of_the_scale() -> None:
    values = numpy.array([-5, 1, 1.5, 2, 2.5, 3, 9], dtype=numpy.float32)
    anomaly_map = values.repeat(60)[None].repeat(256, axis=0)
    drawn = draw_overlay(grey(*anomaly_map.shape), anomaly_map, scale=(1, 3), threshold=-9, mask=None)
    colours = numpy.asarray(drawn).astype(int)[128, 30::60]
    assert (colours[0] == colours[1]).all()
    assert (colours[5] == colours[6]).all()
    assert (numpy.abs(colours[0] - 128) <= 1).all()
    saturation = [colorsys.rgb_to_hsv(*colour)[1] for colour in colours[1:6]]
    assert saturation == sorted(saturation)
    assert len(set(saturation)) == 5


def test_below_the_threshold_the_picture_keeps_its_colours() -> None:
    anomaly_map = zeros(256, 256)
    anomaly_map[:, 100:] = 0.4
    anomaly_map[100:150, 180:220] = 0.9
    drawn = numpy.asarray(draw_overlay(grey(256, 256), anomaly_map, scale=(0, 1), threshold=0.5, mask=None)).astype(int)
    assert (numpy.abs(drawn[:90] - 128) <= 1).all()
    assert (numpy.abs(drawn[110:140, 190:210] - 128).max(axis=2) > 40).all()


def test_the_colours_do_not_depend_on_the_image_at_hand() -> None:
    one, other = zeros(256, 256), zeros(256, 256)
    one[:128] = 0.5
    other[:128] = 0.5
    other[200:] = 40
    drawn = [
        numpy.asarray(draw_overlay(grey(256, 256), m, scale=(0, 1), threshold=-1, mask=None)) for m in (one, other)
    ]
    assert (drawn[0][:100] == drawn[1][:100]).all()


def test_a_scale_without_extent_does_not_divide_by_zero() -> None:
    flat = numpy.full((256, 256), 2, dtype=numpy.float32)
    drawn = numpy.asarray(draw_overlay(grey(256, 256), flat, scale=(2, 2), threshold=2, mask=None))
    assert (numpy.abs(drawn.astype(int) - 128) <= 1).all()
    flat[:50] = 3
    above = numpy.asarray(draw_overlay(grey(256, 256), flat, scale=(2, 2), threshold=2, mask=None))
    assert above[20, 20, 2] < 80
    assert above[200, 20, 2] > 120


def test_the_contour_runs_just_outside_a_region() -> None:
    anomaly_map = zeros(256, 300)
    anomaly_map[100:140, 80:160] = 1
    contour = painted(draw_overlay(grey(256, 300), anomaly_map, scale=(0, 2), threshold=0.5, mask=None), CONTOUR_COLOUR)
    assert contour[99, 80:160].all()
    assert contour[140, 80:160].all()
    assert contour[100:140, 79].all()
    assert contour[100:140, 160].all()
    assert not contour[100:140, 80:160].any()
    assert not contour[:90].any()


def test_a_region_that_touches_the_frame_is_closed_there() -> None:
    anomaly_map = zeros(256, 256)
    anomaly_map[:, 100:] = 1
    contour = painted(draw_overlay(grey(256, 256), anomaly_map, scale=(0, 2), threshold=0.5, mask=None), CONTOUR_COLOUR)
    assert contour[0, 100:].all()
    assert contour[-1, 100:].all()
    assert contour[:, -1].all()
    assert contour[:, 99].all()
    assert not contour[10:-10, 110:-10].any()
    whole = draw_overlay(grey(256, 256), zeros(256, 256), scale=(0, 2), threshold=-1, mask=None)
    assert painted(whole, CONTOUR_COLOUR)[0].all()


def test_mask_and_contour_can_both_be_seen_where_they_agree() -> None:
    anomaly_map = zeros(400, 400)
    anomaly_map[100:200, 150:300] = 1
    drawn = draw_overlay(grey(400, 400), anomaly_map, scale=(0, 2), threshold=0.5, mask=anomaly_map > 0)
    assert painted(drawn, MASK_COLOUR)[100, 160:290].all()
    assert painted(drawn, CONTOUR_COLOUR)[99, 160:290].all()


@pytest.mark.parametrize("full", [False, True])
def test_a_mask_that_is_empty_or_full_is_drawn(full: bool) -> None:
    drawn = draw_overlay(grey(256, 256), zeros(256, 256), scale=(0, 1), threshold=1, mask=numpy.full((256, 256), full))
    assert painted(drawn, MASK_COLOUR).any() == full


def test_one_pixel_of_a_large_image_is_not_lost() -> None:
    anomaly_map = zeros(3000, 4000)
    anomaly_map[1501, 2003] = 1
    mask = numpy.zeros((3000, 4000), dtype=bool)
    mask[700, 701] = True
    drawn = draw_overlay(grey(3000, 4000), anomaly_map, scale=(0, 1), threshold=0.5, mask=mask)
    assert drawn.size == (1024, 768)
    rows, columns = numpy.nonzero(painted(drawn, CONTOUR_COLOUR))
    assert abs(rows.mean() - 1501 * 768 / 3000) < 1.5
    assert abs(columns.mean() - 2003 * 1024 / 4000) < 1.5
    rows, columns = numpy.nonzero(painted(drawn, MASK_COLOUR))
    assert abs(rows.mean() - 700 * 768 / 3000) < 1.5
    assert abs(columns.mean() - 701 * 1024 / 4000) < 1.5


@pytest.mark.parametrize(("height", "width"), [(7, 10), (13, 29), (40, 41)])
@pytest.mark.parametrize("shape", [(7, 10), (5, 9), (3, 1), (1, 1)])
def test_a_map_is_reduced_by_the_maximum_of_blocks(height: int, width: int, shape: tuple[int, int]) -> None:
    anomaly_map = numpy.random.default_rng(1).normal(size=(height, width)).astype(numpy.float32)
    expected = numpy.empty(shape, dtype=numpy.float32)
    for row in range(shape[0]):
        for column in range(shape[1]):
            top, bottom = row * height // shape[0], (row + 1) * height // shape[0]
            left, right = column * width // shape[1], (column + 1) * width // shape[1]
            expected[row, column] = max(anomaly_map[y, x] for y in range(top, bottom) for x in range(left, right))
    assert (overlays._resize_map(anomaly_map, shape) == expected).all()


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (256, 512, (512, 256)),
        (200, 200, (256, 256)),
        (60, 600, (1024, 102)),
        (600, 60, (102, 1024)),
        (1, 1, (256, 256)),
        (2, 40, (1024, 51)),
        (1024, 1024, (1024, 1024)),
        (3001, 2000, (682, 1024)),
    ],
)
def test_sizes(height: int, width: int, expected: tuple[int, int]) -> None:
    drawn = draw_overlay(grey(height, width), zeros(height, width), scale=(0, 1), threshold=0.5, mask=None)
    assert drawn.size == expected
    assert drawn.mode == "RGB"


@pytest.mark.parametrize("shape", [(90, 20000), (20000, 90), (256, 4096), (2, 20000), (30000, 1), (1100, 100)])
def test_a_long_strip_is_cut_into_pieces_that_show_all_of_it(shape: tuple[int, int]) -> None:
    height, width = shape
    along = numpy.linspace(0, 1, max(shape), dtype=numpy.float32)
    ramp = along[None].repeat(height, axis=0) if width > height else along[:, None].repeat(width, axis=1)
    image = ramp[..., None].repeat(3, axis=2)
    drawn = draw_overlay(image, zeros(*shape), scale=(0, 1), threshold=0.5, mask=None)
    assert drawn.mode == "RGBA"
    assert max(drawn.size) <= LONGEST_SIDE
    pixels = numpy.asarray(drawn) if width > height else numpy.asarray(drawn).transpose(1, 0, 2)
    opaque = pixels[..., 3] == 255
    first_rows = [row for row in range(len(pixels)) if opaque[row].any() and (row == 0 or not opaque[row - 1].any())]
    assert len(first_rows) > 1
    # Read piece after piece, the ramp goes from black to white without a step.
    read = numpy.concatenate([pixels[row][opaque[row], 0].astype(int) for row in first_rows])
    assert read[0] <= 1
    assert read[-1] >= 254
    assert (numpy.diff(read) >= 0).all()
    assert numpy.diff(read).max() <= 1


@pytest.mark.parametrize(
    ("image", "anomaly_map", "scale", "mask", "message"),
    [
        (grey(4, 5), zeros(5, 4), (0, 1), None, r"the anomaly map is \(5, 4\), its image \(4, 5\)"),
        (grey(4, 5), zeros(4, 5), (0, 1), numpy.zeros((5, 4), bool), r"the mask is \(5, 4\)"),
        (grey(4, 5)[..., :1], zeros(4, 5), (0, 1), None, r"not \(4, 5, 1\)"),
        (grey(0, 5), zeros(0, 5), (0, 1), None, r"not \(0, 5, 3\)"),
        (grey(4, 5), zeros(4, 5), (1, 0), None, r"not \(1, 0\)"),
        (grey(4, 5), zeros(4, 5), (0, numpy.nan), None, "two finite values"),
        (grey(4, 5), zeros(4, 5) * numpy.nan, (0, 1), None, "map holds values that are not finite"),
        (grey(4, 5, numpy.inf), zeros(4, 5), (0, 1), None, "image holds values that are not finite"),
    ],
)
def test_what_does_not_fit_is_named(
    image: NDArray[numpy.float32],
    anomaly_map: NDArray[numpy.float32],
    scale: tuple[float, float],
    mask: NDArray[numpy.bool_] | None,
    message: str,
) -> None:
    with pytest.raises(FirstsightError, match=message):
        draw_overlay(image, anomaly_map, scale=scale, threshold=0.5, mask=mask)


def test_the_arguments_are_left_as_they_were() -> None:
    image, anomaly_map = grey(256, 256), zeros(256, 256)
    anomaly_map[50:60, 50:60] = 1
    copies = image.copy(), anomaly_map.copy()
    draw_overlay(image, anomaly_map, scale=(0, 1), threshold=0.5, mask=anomaly_map > 0)
    assert (image == copies[0]).all()
    assert (anomaly_map == copies[1]).all()


def test_values_beyond_one_are_clipped() -> None:
    drawn = draw_overlay(grey(256, 256, 1.5), zeros(256, 256), scale=(0, 1), threshold=1, mask=None)
    assert (numpy.asarray(drawn) == 255).all()


@pytest.mark.parametrize("threshold", [0.0, 0.01, 0.5, 1.0, -3.0, 7.0, numpy.inf])
def test_the_colour_bar_shows_the_scale_and_the_threshold(threshold: float) -> None:
    bar = draw_colour_bar((0, 1), threshold, 160)
    assert bar.mode == "RGBA"
    assert bar.height == 160
    pixels = numpy.asarray(bar)
    assert (pixels[[0, -1], :26, 3] == 0).all()
    strip = painted(bar, CONTOUR_COLOUR)[:, :26].all(axis=1)
    marked = numpy.nonzero(strip)[0]
    if 0 <= threshold <= 1:
        assert abs(marked.mean() - (150 - threshold * 141)) <= 1.5
    else:
        assert not len(marked)
    highest, lowest = pixels[12, 13, :3].astype(int), pixels[147, 13, :3].astype(int)
    assert numpy.ptp(lowest) < 40
    assert numpy.ptp(highest) > 100


def test_a_colour_bar_needs_room_and_a_scale() -> None:
    with pytest.raises(FirstsightError, match="not 79"):
        draw_colour_bar((0, 1), 0.5, 79)
    with pytest.raises(FirstsightError, match="lower one first"):
        draw_colour_bar((1, 0), 0.5, 100)
    assert draw_colour_bar((2, 2), 2, 80).height == 80


def test_an_image_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / overlay_name("x" * 300)
    drawn = draw_overlay(grey(256, 256), zeros(256, 256), scale=(0, 1), threshold=1, mask=None)
    replace_image(path, drawn)
    replace_image(path, drawn)
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert (numpy.asarray(image) == numpy.asarray(drawn)).all()


NAMES = [
    "crack/019.jpg",
    "crack-019.jpg",
    "crack/019.JPG",
    "Crack/019.jpg",
    "crack/019.png",
    "../../etc/passwd",
    "/absolute.png",
    "..",
    ".hidden",
    "",
    " ",
    "a" * 300,
    "a" * 299 + "b",
    "Gewölbe/élève.tif",
    "Gewolbe/eleve.tif",
    "木目/七.png",
    "con",
    "nul.png",
    "<script>alert(1)</script>.png",
    '"onload="',
    "line\nbreak\0.png",
    "not unicode \udce9.png",
    "back\\slash.png",
]


def test_names_are_plain_and_no_two_are_the_same() -> None:
    allowed = set(string.ascii_letters + string.digits + "-_.")
    found = [overlay_name(name) for name in NAMES]
    for name in found:
        assert set(name) <= allowed
        assert name.endswith(".png")
        assert name.count(".") == 1
        assert not name.startswith((".", "-"))
        assert len(name) <= 80
    assert len({name.casefold() for name in found}) == len(NAMES)
    assert found == [overlay_name(name) for name in NAMES]


def test_the_name_says_which_image_it_is() -> None:
    assert overlay_name("crack/019.jpg") == "crack-019-dea2b829aa09.png"
    assert overlay_name("Gewölbe/élève.tif").startswith("Gewolbe-eleve-")


def test_the_layers_make_the_overlay() -> None:
    image = numpy.random.default_rng(0).random((260, 300, 3)).astype(numpy.float32)
    anomaly_map, mask = zeros(260, 300), numpy.zeros((260, 300), bool)
    anomaly_map[100:150, 100:180] = 1
    mask[110:160, 90:170] = True
    layers = draw_layers(image, anomaly_map, scale=(2, 3), regions=anomaly_map > 0.5, mask=mask)
    assert [layer.mode for layer in (layers.overlay, layers.picture, layers.lines)] == ["RGB", "RGB", "RGBA"]
    assert (numpy.abs(numpy.asarray(layers.picture) / 255 - image) <= 0.51 / 255).all()
    # Nothing is hot on this scale: the overlay is the picture with the lines over it.
    lines = numpy.asarray(layers.lines).astype(float)
    opacity = lines[..., 3:] / 255
    expected = numpy.asarray(layers.picture) * (1 - opacity) + lines[..., :3] * opacity
    assert numpy.abs(numpy.asarray(layers.overlay) - expected).max() <= 2
    assert (lines[:80, :80, 3] == 0).all()
    assert painted(layers.overlay, CONTOUR_COLOUR).any()
    assert painted(layers.overlay, MASK_COLOUR).any()


def test_all_layers_of_a_strip_are_cut_alike() -> None:
    layers = draw_layers(
        grey(40, 3000), zeros(40, 3000), scale=(0, 1), regions=numpy.zeros((40, 3000), bool), mask=None
    )
    assert layers.overlay.size == layers.picture.size == layers.lines.size
    assert layers.picture.mode == "RGBA"
    assert overlays.pieces_of(40, 3000) > 1
    assert overlays.pieces_of(3000, 4000) == 1


@pytest.mark.parametrize(("size", "expected"), [((1024, 512), (320, 160)), ((300, 100), (300, 100))])
def test_thumbnails_are_small(size: tuple[int, int], expected: tuple[int, int], tmp_path: Path) -> None:
    small = overlays.thumbnail(Image.new("RGBA", size))
    assert small.size == expected
    write_image(tmp_path / "a/b.webp", small)
    with Image.open(tmp_path / "a/b.webp") as image:
        assert (image.format, image.size) == ("WEBP", expected)
