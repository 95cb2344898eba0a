"""The page of groups: the matrix, the gallery, and text that is no HTML."""

from dataclasses import replace
from html.parser import HTMLParser
from itertools import product
from pathlib import Path

import pandas
from PIL import Image

from browsing import barriers, browser, complaints, look
from firstsight.reports.group_page import GroupReport, chosen_images, shown_image, write_group_page
from firstsight.reports.overlays import Layers
from firstsight.reports.picture_files import picture_files

HOSTILE = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Counts of tags, and what addresses and classes there are."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def report(folder: Path) -> GroupReport:
    overlays = folder / "overlays"
    row = {"collection": "a", "image": "x y.png", "shard": "s", "width": 40, "height": 30}
    red, blue = (Image.new("RGB", (400, 300), colour) for colour in ("red", "blue"))
    with picture_files(overlays / "s") as files:
        files.add("x y.png", Layers(red, blue, Image.new("RGBA", (400, 300))))
    box = {"x": 3, "y": 4, "width": 5, "height": 6}
    matrix = [
        {"cluster": number, "cluster_name": text, "collection": collection, "n_images": count, "share": count / 8}
        | {"is_new": number == 1 and collection == "a"}
        for number, text, counts in ((-1, "other", (0, 1)), (0, "normal", (6, 7)), (1, HOSTILE, (2, 0)))
        for collection, count in zip("ab", counts, strict=True)
    ]
    days = pandas.to_datetime(["2026-03-01", "2026-03-04"])
    periods = [
        {"cluster": number, "cluster_name": text, "collection": "a", "unit": "day", "period": day, "n_images": count}
        for number, text, counts in ((0, "normal", (3, 3)), (1, HOSTILE, (0, 2)))
        for day, count in zip(days, counts, strict=True)
    ]
    metrics = [{"metric": "nmi", "value": 0.5, "n_images": 8}]
    gallery = {1: (shown_image(row, box, overlays), shown_image(row, None, overlays))}
    says = ("Different textures.", f"Number of kinds: 1 {HOSTILE}.")
    return GroupReport(
        "a+b", "fca", says, pandas.DataFrame(matrix), pandas.DataFrame(periods), pandas.DataFrame(metrics), gallery
    )


def test_the_page_has_the_matrix_and_a_gallery_of_each_kind(tmp_path: Path) -> None:
    write_group_page(tmp_path / "groups", [report(tmp_path)], "1")
    text = (tmp_path / "groups/index.html").read_text()
    tags = Tags(text)
    assert tags.tags.count("img") == 2, "names are no HTML"
    assert "script" not in tags.tags
    assert ("src", "crop-0-1-0.webp") in tags.attributes
    assert ("href", "../index.html#a/fca/x%20y.png") in tags.attributes
    assert {"number shade-0", "number shade-2", "number shade-3", "number shade-8", "number shade-9"} <= {
        value for key, value in tags.attributes if key == "class"
    }, "1, 2, 6 and 7 of 8 images, in tenths that are rounded up"
    assert text.index("&lt;img") < text.index("<bdi>other") < text.index("<bdi>normal")
    assert text.count("<b>new</b>") == 1
    assert "in the order of the names" in text, "collection b has no times"
    over_time = text[text.index('aria-label="kinds over time: a+b, fca"') :]
    assert "2026-03-01</th><th" in over_time
    assert over_time.index("shade-4") < over_time.index(">normal<"), "2 of 5"
    assert "Images of all collections by day" in over_time
    assert sorted(path.name for path in (tmp_path / "groups").iterdir()) == [
        "crop-0-1-0.webp",
        "crop-0-1-1.webp",
        "index.html",
        "page.css",
    ]
    before = (tmp_path / "groups/index.html").read_bytes()
    (tmp_path / "again").mkdir()
    write_group_page(tmp_path / "groups", [report(tmp_path / "again")], "1")
    assert (tmp_path / "groups/index.html").read_bytes() == before


def test_the_gallery_shows_every_collection_first() -> None:
    rows = pandas.DataFrame(
        {
            "collection": ["a"] * 30 + ["b"] * 2,
            "image": [f"{number:02d}" for number in range(32)],
            "distance": [*range(30), 90, 80],
        }
    )
    chosen = list(chosen_images(rows)[["collection", "image"]].itertuples(index=False, name=None))
    assert chosen[:5] == [("a", "00"), ("b", "31"), ("a", "01"), ("b", "30"), ("a", "02")]
    assert len(chosen) == 24


def test_nothing_bars_anyone_from_the_page(tmp_path: Path) -> None:
    reports = [report(tmp_path), replace(report(tmp_path / "another"), detector="blind")]
    write_group_page(tmp_path / "groups", reports, "1")
    with browser() as chrome:
        for width, dark in product((1280, 400), (False, True)):
            look(chrome, width, dark=dark)
            chrome.get((tmp_path / "groups/index.html").as_uri())
            # What is wider than the window scrolls within its own frame.
            assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
            assert complaints(chrome) == []
            assert barriers(chrome) == []
