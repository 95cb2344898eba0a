"""Addresses of the files of images, as the page links them."""

from pathlib import Path

import pandas
import pytest

from firstsight.reports.originals import addresses_of_originals, look_alike_in_browsers


def test_addresses_lead_from_the_page_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = ["pile/é 1#.png", str(tmp_path / "a?.png"), "pile/caf\udce9.png", "pile.h5:/images[17]", "a.h5:/b[...]"]
    expected = ["../../pile/%C3%A9%201%23.png", "../../a%3F.png", "../../pile/caf%E9.png", None, None]
    assert addresses_of_originals(paths, Path("results/reports")) == expected


def test_an_image_in_a_folder_with_brackets_is_a_file(tmp_path: Path) -> None:
    assert addresses_of_originals([str(tmp_path / "pile[1]/a.png")], tmp_path) == ["pile%5B1%5D/a.png"]


def test_a_browser_shows_eight_bits_of_formats_that_it_knows() -> None:
    images = pandas.DataFrame(
        [
            ("a.PNG", "uint8", None, None),
            ("a.tif", "uint8", None, None),
            ("a.png", "uint16", None, None),
            ("a.png", "uint8", 10.0, None),
            ("a.jpg", "uint8", None, "missing.png"),
        ],
        columns=["path", "dtype", "value_low", "missing"],
    )
    assert list(look_alike_in_browsers(images)) == [True, False, False, False, False]


def test_a_collection_without_images_has_no_answer() -> None:
    images = pandas.DataFrame({"path": pandas.Series([], dtype="str"), "dtype": pandas.Series([], dtype="str")})
    images = images.assign(value_low=pandas.Series([], dtype="float64"), missing=pandas.Series([], dtype="str"))
    assert look_alike_in_browsers(images).empty
