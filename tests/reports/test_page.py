"""The page: what it says, that its links resolve, that data is never taken for HTML or script."""

import dataclasses
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy
import pandas
import pytest

from firstsight.errors import FirstsightError
from firstsight.reports.findings_file import write_findings
from firstsight.reports.overlays import overlay_name
from firstsight.reports.page import write_page
from firstsight.reports.page_data import MOST_BINS, histogram
from firstsight.reports.page_report import CollectionReport, Page
from firstsight.reports.page_text import count, metric_value, number
from firstsight.reports.prepared_page import prepare_page
from page_samples import ENDING, HANDLER, JUDGED, SCRIPT, draw_pictures, images_table, sample_page

VOID = {"meta", "link", "img", "br", "input"}


class Document(HTMLParser):
    """Tags with their attributes, the text, and a check that every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attributes[name] or "" for found, attributes in self.tags if found == tag and name in attributes]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the sample, its pictures drawn."""
    reports = tmp_path_factory.mktemp("run") / "reports"
    draw_pictures(reports, sample_page())
    write_page(reports / "index.html", prepare_page(sample_page()))
    write_findings(reports / "findings.html", prepare_page(sample_page()))
    return reports / "index.html"


@pytest.fixture(scope="module")
def document(index: Path) -> Document:
    return Document(index.read_text(encoding="utf-8"))


def content(index: Path, name: str) -> Any:
    """What a file of data hands to the page, by JSON, not by a browser."""
    text = (index.parent / "data" / f"{name}.js").read_text(encoding="ascii")
    function = name.split("-", maxsplit=1)[0]
    assert text.startswith(f"firstsight.{function}(")
    assert text.endswith(");\n")
    return json.loads(text.removeprefix(f"firstsight.{function}(").removesuffix(");\n"))


def test_every_link_resolves_and_nothing_comes_from_outside(index: Path, document: Document) -> None:
    anchors = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    links = [link for tag, name in (("a", "href"), ("img", "src"), ("script", "src"), ("link", "href"))
             for link in document.attributes(tag, name)]  # fmt: skip
    assert len(links) >= 20
    for link in links:
        if link.startswith("#") and "/" in link:
            collection, detector, image = unquote(link[1:]).split("/", maxsplit=2)
            report = next(each for each in sample_page().collections if each.name == collection)
            found = next(each for each in report.detectors if each.name == detector)
            assert image in found.image_results.index
        elif link.startswith("#"):
            assert link[1:] in anchors
        elif link != "data:,":
            assert ":" not in link
            assert not set(link) & set(' "#?é')
            assert (index.parent / unquote(link)).is_file()
    assert not {tag for tag, _ in document.tags} & {"iframe", "object", "embed", "base", "style"}
    for path in (index, *(index.parent / "data").glob("*.[jc]s*")):
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
        assert "url(" not in text
        assert "@import" not in text


def test_scripts_are_files_and_the_browser_is_told_to_run_no_others(document: Document) -> None:
    assert len(document.attributes("script", "src")) == len([tag for tag, _ in document.tags if tag == "script"])
    policy = next(text for text in document.attributes("meta", "content") if "script-src" in text)
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert not [name for _, attributes in document.tags for name in attributes if name.startswith("on")]
    assert not [name for _, attributes in document.tags for name in attributes if name == "style"]


def test_what_comes_from_the_data_is_text(index: Path, document: Document) -> None:
    for text in (
        "<img src=x onerror=alert(1)>",
        "1 x 1 <pixel>",
        "data/<tiles>",
        "tiles & <cloth>",
        "patch_size 9 <b>",
    ):
        assert text in document.text
    assert "second & <i>kind</i>" in document.text
    assert "caf?.png odd" in document.text
    assert f"typical of second & <i>kind</i>: {SCRIPT}, as it is and with its map" in document.attributes("img", "alt")
    assert {"i", "b"} & {tag for tag, _ in document.tags} == {"b"}
    for path in (index.parent / "data").glob("*-*.js"):
        assert "<" not in path.read_text(encoding="ascii")


def test_every_image_is_in_the_data_once_and_its_pictures_are_there(index: Path) -> None:
    summary = content(index, "summary")
    for place, collection in enumerate(sample_page().collections):
        rows = content(index, f"images-{place}-0")["columns"]
        assert sorted(rows["image"]) == sorted(collection.images["image"])
        assert summary["collections"][place]["rows"] == len(rows["image"])
        for image, file in zip(rows["image"], rows["file"], strict=True):
            assert f"{file}.png" == overlay_name(image)
        for found in summary["collections"][place]["detectors"]:
            folder = index.parent / unquote(found["folder"]) / "0123456789"
            held = {
                file
                for path in folder.glob("layers-*.js")
                for file in re.findall(r'^"([^"]+)":', path.read_text(), re.M)
            }
            here = {image for image, file in zip(rows["image"], rows["file"], strict=True) if file in held}
            report = next(each for each in collection.detectors if each.name == found["name"])
            assert here == set(report.image_results.index)


def test_the_data_is_in_the_order_of_the_kinds_fronts_first(index: Path) -> None:
    rows = content(index, "images-0-0")
    names, cluster = rows["columns"]["image"], rows["detectors"][0]["cluster"]
    assert cluster == [*[1] * 12, *[0] * 12, -1, *[1] * 6, *[0] * 3], "the worst kind first"
    assert names[12:15] == ["test/009.png", "test/000.png", "test/001.png"], "the medoid, then by distance"
    assert names[:2] == [SCRIPT, "test/016.png"]
    clusters = content(index, "summary")["collections"][0]["detectors"][0]["clusters"]
    assert [each["medoid"] for each in clusters] == [0, 12, None]
    assert {SCRIPT, HANDLER, ENDING, "café.png"} <= set(names)


def test_regions_and_points_are_known_by_their_row(index: Path) -> None:
    names = content(index, "images-0-0")["columns"]["image"]
    regions = content(index, "regions-0-0")["detectors"][0]
    table = sample_page().collections[0].detectors[0].regions
    assert [names[row] for row in regions["row"]] == list(table["image"])
    assert regions["x"] == list(table["x"])
    charts = content(index, "charts-0-0")
    assert sorted(names[row] for row in charts["scatter"]["row"]) == sorted(names)
    assert sum(charts["histogram"]["counts"]) == len(names)


def test_an_image_that_a_detector_did_not_see_has_no_score_there(index: Path) -> None:
    rows = content(index, "images-0-0")
    place = rows["columns"]["image"].index("test/002.png")
    assert rows["detectors"][0]["score"][place] == 2
    assert rows["detectors"][1]["score"][place] is None
    assert rows["detectors"][1]["cluster"] == [None] * 34


def test_the_first_screen_says_what_was_found(document: Document) -> None:
    assert "24 of 40 images show anomalies. 3 files were set aside." in document.text
    assert "fca : 24 of 34 images anomalous, 48 regions, 2 clusters, 1 image in none." in document.text
    assert "PRO 0.773 AUROC 0.988 AP –" in document.text
    worst = " ".join(f"test/{number:03d}.png" for number in range(10, 15))
    kinds = "second & <i>kind</i> 18 images cluster 0 15 images outlier 1 image"
    assert f"worst {worst} kinds, worst first {kinds}" in document.text
    assert "Up to 5 % of normal images are called anomalous, too." in document.text
    assert "grnr : 0 of 33 images anomalous, 0 regions, 0 clusters." in document.text
    assert "truncated file" in document.text
    assert "above the threshold, 9.75" in document.text
    assert "Number of clusters: 2, estimated." in document.text
    lie = "Where defects lie 48 regions of 24 images, by their boxes, laid over one another; about"
    assert f"{lie} 24 at the brightest place" in document.text
    assert "None: no masks, and no labels that tell normal images from others." in document.text


def test_the_whole_frame_comes_before_the_crop(document: Document) -> None:
    places = [
        document.text.index(words)
        for words in (
            "whole frame pro 0.773 60 1,234",
            "auroc 0.988 60 1,234",
            "average_precision – 60 1,234",
            "nmi 0.250 60 1,234",
            "of_its_own 0.500 0.700 to 0.812 60 1,234",
            "without 6.25 % of the frame on each side auroc 0.778 60 1,234",
        )
    ]
    assert places == sorted(places)


def test_pictures_have_words_and_keep_their_place(document: Document) -> None:
    pictures = [attributes for tag, attributes in document.tags if tag == "img" and "src" in attributes]
    assert len(pictures) == 12
    assert all(attributes["alt"] and attributes["width"] for attributes in pictures)
    assert all(attributes["loading"] == "lazy" for attributes in pictures)


def test_what_may_be_no_texture_and_what_could_not_run_is_told(document: Document) -> None:
    assert "2 images may be no texture" in document.text
    assert "<b>photo.jpg 2.75 0.png 2.5" in document.text
    assert "Detector set aside: detectors.ssdnet: no <weights>" in document.text
    assert "9.75: the value that was <given>" in document.text


def test_a_page_of_nothing(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", prepare_page(Page("nothing", "0.1.0", ())))
    text = Document((tmp_path / "index.html").read_text()).text
    assert "0 of 0 images show anomalies. No file was set aside." in text
    assert "in one file . No collections." in text
    aside = (("a", "empty"), ("b", "empty"))
    bare = CollectionReport("bare", "data", 2, "laws", "none", JUDGED, (), images_table([]), aside)
    write_page(tmp_path / "index.html", prepare_page(Page("bare", "0.1.0", (bare,))))
    text = Document((tmp_path / "index.html").read_text()).text
    assert "bare No image has a map. 2 files set aside" in text
    unread, remarks = ("3 .<b> files cannot be read",), ("1 image: band 2 of 2 not read",)
    told = dataclasses.replace(bare, set_aside=(), unread=unread, remarks=remarks)
    write_page(tmp_path / "index.html", prepare_page(Page("told", "0.1.0", (told,))))
    text = Document((tmp_path / "index.html").read_text()).text
    assert "show anomalies. Some files could not be read: see below." in text
    assert "1 image: band 2 of 2 not read 3 .<b> files cannot be read" in text
    assert not list((tmp_path / "data").glob("images-*"))


def test_the_page_leads_to_that_of_groups(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", prepare_page(Page("grouped", "0.1.0", (), groups="groups/index.html")))
    assert '<a href="groups/index.html">' in (tmp_path / "index.html").read_text(encoding="utf-8")
    write_page(tmp_path / "index.html", prepare_page(Page("bare", "0.1.0", ())))
    assert "groups" not in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_the_same_report_gives_the_same_bytes_and_the_data_before_is_gone(index: Path) -> None:
    before = {path.name: path.read_bytes() for path in (index.parent / "data").iterdir()}
    text = index.read_bytes()
    (index.parent / "data/images-9-9.js").write_text("old")
    write_page(index, prepare_page(sample_page()))
    assert index.read_bytes() == text
    assert before == {path.name: path.read_bytes() for path in (index.parent / "data").iterdir()}
    assert not list(index.parent.glob(".*"))


def test_a_strip_in_pieces_is_explained(index: Path, document: Document, tmp_path: Path) -> None:
    words = "a long strip, cut"
    assert words not in document.text
    page = sample_page()
    tiles = page.collections[0]
    strip = dataclasses.replace(tiles, images=tiles.images.assign(width=20000))
    draw_pictures(tmp_path / "reports", page)
    write_page(tmp_path / "reports/index.html", prepare_page(dataclasses.replace(page, collections=(strip,))))
    assert words in Document((tmp_path / "reports/index.html").read_text()).text
    assert min(content(tmp_path / "reports/index.html", "images-0-0")["columns"]["pieces"]) > 1


def test_the_histogram_counts_the_anomalous_images_apart(index: Path) -> None:
    for place, collection in enumerate(sample_page().collections):
        for rank, detector in enumerate(collection.detectors):
            found = content(index, f"charts-{place}-{rank}")["histogram"]
            assert (sum(found["counts"]), sum(found["anomalous"])) == (detector.n_images, detector.n_anomalous)


@pytest.mark.parametrize("size", [1, 2, 50, 5000])
def test_a_histogram_counts_every_image_once(size: int) -> None:
    scores = numpy.append(numpy.random.default_rng(size).random(size), 1.0)
    anomalous = numpy.random.default_rng(1).random(size + 1) < 0.3
    found = histogram(scores, anomalous)
    edges = numpy.linspace(found["low"], found["high"], len(found["counts"]) + 1)
    assert 8 <= len(found["counts"]) <= MOST_BINS
    assert (sum(found["counts"]), sum(found["anomalous"])) == (len(scores), anomalous.sum())
    for counts, own in ((found["counts"], scores), (found["anomalous"], scores[anomalous])):
        assert counts[0] == pytest.approx((own < edges[1]).sum(), abs=1)


def test_equal_scores_and_no_scores_have_a_histogram() -> None:
    assert sum(histogram(numpy.full(5, 2.0), numpy.ones(5, bool))["anomalous"]) == 5
    assert histogram(numpy.zeros(0), numpy.zeros(0, bool))["counts"] == []


@pytest.mark.parametrize("colour_bar", ["../absent.png", "/tmp/absolute.png", "../text.png"])
def test_a_legend_that_is_not_there_is_named(colour_bar: str, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    collection = sample_page().collections[1]
    detector = dataclasses.replace(collection.detectors[0], colour_bar=colour_bar)
    page = Page("x", "0", (dataclasses.replace(collection, detectors=(detector,)),))
    with pytest.raises(FirstsightError, match=colour_bar):
        write_page(tmp_path / "reports/index.html", prepare_page(page))
    assert not (tmp_path / "reports/index.html").exists()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (numpy.nan, "–"),
        (pandas.NA, "–"),
        (0, "0"),
        (0.5, "0.5"),
        (0.0123456, "0.0123"),
        (-1.5, "−1.5"),
        (999.4, "999"),
        (999.6, "1,000"),
        (123456.7, "123,457"),
        (0.0000123, "1.23e−05"),
        (1.5e9, "1.50e+09"),
    ],
)
def test_numbers_have_sensible_digits(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_counts_and_metrics() -> None:
    assert [count(None), count(1234), metric_value(None), metric_value(0.12345)] == ["–", "1,234", "–", "0.123"]
