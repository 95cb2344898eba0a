"""The first screen: which regions stand there, and where their pictures and images are."""

from dataclasses import replace
from pathlib import Path

import numpy
from PIL import Image

from firstsight.reports.crops import CROP_SIDE, Box
from firstsight.reports.first_screen import WORST_SHOWN, crops_of
from page_samples import MAGENTA, SCRIPT, draw_pictures, sample_page

TILES = sample_page().collections[0]


def test_worst_regions_and_a_typical_one_of_each_kind() -> None:
    crops = crops_of(TILES, TILES.detectors[0])
    assert [crop.image for crop in crops.worst] == [f"test/{number:03d}.png" for number in range(10, 10 + WORST_SHOWN)]
    assert {crop.box for crop in crops.worst} == {Box(20, 30, 40, 50)}
    shown = {kind.report.cluster: kind.crop for kind in crops.kinds}
    assert shown[0] is not None
    assert (shown[0].image, shown[0].box) == ("test/010.png", Box(20, 30, 40, 50)), "its medoid has no region"
    normal = replace(TILES.detectors[0].clusters[0], name="normal")
    quiet = crops_of(TILES, replace(TILES.detectors[0], clusters=(normal,))).kinds[0]
    assert (quiet.quiet, quiet.crop) == (True, None)
    assert (shown[1].image, shown[1].box) == (SCRIPT, Box(20, 30, 40, 50)) if shown[1] else False
    assert (shown[-1].image, shown[-1].box) == ("test/005.png", None) if shown[-1] else False


def test_a_strip_in_pieces_is_shown_whole() -> None:
    strip = replace(TILES, images=TILES.images.assign(width=20000))
    assert {crop.box for crop in crops_of(strip, strip.detectors[0]).worst} == {None}


def test_a_detector_that_found_nothing_shows_nothing() -> None:
    crops = crops_of(TILES, TILES.detectors[1])
    assert (crops.worst, crops.kinds) == ((), ())


def test_crops_are_written_where_the_page_links_them(tmp_path: Path) -> None:
    draw_pictures(tmp_path / "reports", sample_page())
    crops = crops_of(TILES, TILES.detectors[0])
    (tmp_path / "data").mkdir()
    crops.write(tmp_path / "reports", tmp_path / "data", 3, 1)
    addresses = crops.addresses(3, 1, "data")
    urls = [shown["url"] for shown in addresses["worst"]] + [
        kind["crop"]["url"] for kind in addresses["kinds"] if kind["crop"]
    ]
    assert {path.name for path in (tmp_path / "data").iterdir()} == {url.removeprefix("data/") for url in urls}
    assert addresses["worst"][0]["address"] == "#tiles/fca/test/010.png"
    with Image.open(tmp_path / urls[0]) as drawn:
        assert drawn.size == (addresses["width"], addresses["height"]) == (2 * CROP_SIDE + 4, CROP_SIDE)
        middle = numpy.asarray(drawn.convert("RGB")).astype(int)[CROP_SIDE // 2, CROP_SIDE // 2]
    assert numpy.abs(middle - numpy.array(MAGENTA)).max() <= 6
