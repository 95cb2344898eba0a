"""The page: what it says, that its links resolve, that data is never taken for HTML, that a browser shows it."""

import dataclasses
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy
import pandas
import pytest
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports import page as pages
from firstsight.reports.overlays import draw_colour_bar, write_image
from firstsight.reports.page import (
    CLUSTER_SHOWN,
    MOST_ANOMALOUS_SHOWN,
    ClusterReport,
    CollectionReport,
    DetectorReport,
    ImageCard,
    Page,
    write_page,
)

SCRIPT = "<script>alert(1)</script>.png"
HANDLER = '"onload="alert(1)" x="&amp;.png'
ODD_FOLDER = 'odd #100%25 "name"? é'
MAGENTA = (214, 19, 150)
VOID = {"meta", "link", "img", "br"}


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
        if self.open and self.open[-1] != "style":
            self.words += data.split()

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def attributes(self, tag: str, name: str) -> list[str]:
        return [attributes[name] or "" for found, attributes in self.tags if found == tag and name in attributes]


def metrics(*rows: tuple[str, float | None, float]) -> pandas.DataFrame:
    return pandas.DataFrame(
        [
            {"metric": name, "value": value, "crop": crop, "n_images": 60, "n_regions": 1234}
            for name, value, crop in rows
        ],
        columns=["metric", "value", "crop", "n_images", "n_regions"],
    )


def card(image: str, overlay: str, score: float, cluster: int | None = None) -> ImageCard:
    return ImageCard(image, overlay, score, area_share=0.0123, label="crack", cluster=cluster, regions=2)


@pytest.fixture
def report(tmp_path: Path) -> Page:
    """A page of two collections, its pictures drawn."""
    folder = f"overlays/{ODD_FOLDER}"
    names = [f"test/{number:03d}.png" for number in range(30)] + [SCRIPT, HANDLER]
    cards = []
    for number, name in enumerate(names):
        overlay = f"{folder}/{number}.png"
        write_image(tmp_path / overlay, Image.new("RGB", (320, 200), MAGENTA))
        cards.append(card(name, overlay, score=float(number), cluster=int(number >= 16)))
    write_image(tmp_path / f"{folder}/scale.png", draw_colour_bar((0, 31), 12, 120))
    detector = DetectorReport(
        name="fca",
        settings="patch_size 9 <b>",
        threshold=12.3456,
        scale=(0.0, 31.5),
        colour_bar=f"{folder}/scale.png",
        metrics=metrics(
            ("auroc", 0.7777, 0.0625),
            ("nmi", 0.25, 0.0),
            ("of_its_own", 0.5, 0.0),
            ("auroc", 0.98765, 0.0),
            ("pro", 0.7733, 0.0),
            ("average_precision", None, 0.0),
        ),
        n_images=71,
        n_anomalous=19,
        n_regions=1234,
        n_clusters=2,
        n_outliers=0,
        clusters_chosen="The number was estimated.",
        images=tuple(cards),
        clusters=(
            ClusterReport(0, "first & <i>kind</i>", 53, cards[9].image, tuple(cards[:16])),
            ClusterReport(1, "second kind", 16, cards[31].image, tuple(cards[16:])),
        ),
    )
    plain = dataclasses.replace(
        detector,
        name="sww",
        metrics=metrics(),
        images=(),
        clusters=(),
        n_images=0,
        n_clusters=0,
        clusters_chosen="There is nothing to cluster.",
    )
    return Page(
        title="tiles & <cloth>",
        version="0.1.0",
        collections=(
            CollectionReport(
                name="tiles",
                path="data/<tiles>",
                n_images=74,
                n_set_aside=3,
                extractor="laws",
                weights="none",
                detectors=(detector,),
                set_aside=(("broken.png", "truncated file"), ("<img src=x onerror=alert(1)>", "1 x 1 <pixel>")),
            ),
            CollectionReport("cloth", "data/cloth", 5, 0, "laws", "none", (plain,), ()),
        ),
    )


def parsed(path: Path) -> Document:
    return Document(path.read_text(encoding="utf-8"))


def test_every_link_resolves_and_nothing_comes_from_outside(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    document = parsed(tmp_path / "index.html")
    anchors = [attributes["id"] for _, attributes in document.tags if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    links = document.attributes("a", "href") + document.attributes("img", "src")
    assert len(links) > 100
    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert ":" not in link
            assert not set(link) & set(' "#?é')
            assert (tmp_path / unquote(link)).is_file()
    tags = {tag for tag, _ in document.tags}
    assert not tags & {"script", "iframe", "object", "embed", "base", "form"}
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "url(" not in text
    assert "@import" not in text


def test_pictures_keep_their_place_and_load_when_they_are_needed(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    pictures = [attributes for tag, attributes in parsed(tmp_path / "index.html").tags if tag == "img"]
    overlays = [attributes for attributes in pictures if "scale.png" not in (attributes["src"] or "")]
    assert all(attributes["alt"] for attributes in pictures)
    assert {(attributes["width"], attributes["height"], attributes["loading"]) for attributes in overlays} == {
        ("320", "200", "lazy")
    }


def test_what_comes_from_the_data_is_text(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    document = parsed(tmp_path / "index.html")
    assert not [name for _, attributes in document.tags for name in attributes if name.startswith("on")]
    assert "x" not in document.attributes("img", "src")
    for text in (SCRIPT, " ".join(HANDLER.split()), "<img src=x onerror=alert(1)>", "1 x 1 <pixel>", "data/<tiles>"):
        assert text in document.text
    assert "first & <i>kind</i>" in document.text
    assert "tiles & <cloth>" in document.text
    assert f"anomaly map of {HANDLER}" in document.attributes("img", "alt")
    assert {"i", "script"}.isdisjoint(tag for tag, _ in document.tags)


def test_the_numbers_are_there(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    text = parsed(tmp_path / "index.html").text
    # collection, detector, images, set aside, anomalous images, regions, clusters, PRO, AUROC, AP
    assert "tiles fca 74 3 19 1,234 2 0.773 0.988 – cloth sww 5 0 19 1,234 – – – –" in text
    assert "19 of 71 images anomalous, 1,234 regions." in text
    assert "from 0 (the texture as it is) to 31.5 and beyond" in text
    assert "above the threshold, 12.3" in text
    assert "score 31 , 2 regions, area 1.2 % label crack in second kind" in text
    assert "truncated file" in text
    assert "Not clustered. There is nothing to cluster." in text
    assert "No image has a map." in text
    assert "None: the collection has neither masks nor labels." in text


def test_the_whole_frame_comes_before_the_crop(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    text = parsed(tmp_path / "index.html").text
    places = [
        text.index(words)
        for words in (
            "whole frame pro 0.773 60 1,234",
            "auroc 0.988 60 1,234",
            "average_precision – 60 1,234",
            "nmi 0.250 60 1,234",
            "of_its_own 0.500 60 1,234",
            "without 6.25 % of the frame on each side auroc 0.778 60 1,234",
        )
    ]
    assert places == sorted(places)


def test_most_anomalous_first_and_the_medoid_first(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    document = parsed(tmp_path / "index.html")
    shown = [text.removeprefix("anomaly map of ") for text in document.attributes("img", "alt") if "map of" in text]
    detector = report.collections[0].detectors[0]
    names = [image.image for image in detector.images]
    first, second = MOST_ANOMALOUS_SHOWN, MOST_ANOMALOUS_SHOWN + CLUSTER_SHOWN
    assert shown[:first] == names[::-1][:first]
    assert shown[first:second] == [names[9], *names[:9], *names[10:12]]
    assert shown[second:] == [names[31], *names[16:27]]
    assert document.text.count("medoid") == 2
    assert f"and {71 - MOST_ANOMALOUS_SHOWN} more in images.parquet" in document.text
    assert f"and {53 - CLUSTER_SHOWN} more in clusters.parquet" in document.text
    assert f"and {16 - CLUSTER_SHOWN} more in clusters.parquet" in document.text


def test_images_in_no_cluster_come_without_a_medoid(report: Page, tmp_path: Path) -> None:
    detector = report.collections[0].detectors[0]
    outliers = tuple(dataclasses.replace(image, cluster=-1) for image in detector.clusters[1].images[:1])
    clusters = (detector.clusters[0], ClusterReport(-1, "outlier", 1, None, outliers))
    images = (*detector.images[:16], *outliers)
    changed = dataclasses.replace(detector, clusters=clusters, images=images, n_clusters=1, n_outliers=1)
    collection = dataclasses.replace(report.collections[0], detectors=(changed,))
    write_page(tmp_path / "index.html", dataclasses.replace(report, collections=(collection,)))
    document = parsed(tmp_path / "index.html")
    assert "1 cluster, 1 image in none. The number was estimated." in document.text
    assert document.text.count("medoid") == 1
    assert "in outlier" in document.text
    assert "outlier 1 image" in document.text


def test_without_any_masks_the_summary_has_no_columns_for_them(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", dataclasses.replace(report, collections=report.collections[1:]))
    text = parsed(tmp_path / "index.html").text
    assert "clusters cloth sww 5 0 19 1,234 –" in text
    assert "AUROC" not in text


def test_a_page_of_nothing(tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", Page("nothing", "0.1.0", ()))
    assert "No collections." in parsed(tmp_path / "index.html").text
    bare = CollectionReport("bare", "data", 2, 2, "laws", "none", (), (("a", "empty"), ("b", "empty")))
    write_page(tmp_path / "index.html", Page("bare", "0.1.0", (bare,)))
    assert "bare – 2 2 – – –" in parsed(tmp_path / "index.html").text


def test_the_same_report_gives_the_same_bytes(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "a.html", report)
    write_page(tmp_path / "b.html", report)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_a_strip_in_pieces_is_explained(report: Page, tmp_path: Path) -> None:
    write_page(tmp_path / "index.html", report)
    assert "a long strip, cut" not in parsed(tmp_path / "index.html").text
    write_image(tmp_path / report.collections[0].detectors[0].images[31].overlay, Image.new("RGBA", (90, 300)))
    write_page(tmp_path / "index.html", report)
    assert "a long strip, cut" in parsed(tmp_path / "index.html").text


def test_a_name_that_is_not_unicode_does_not_cost_the_page(report: Page, tmp_path: Path) -> None:
    odd = dataclasses.replace(report.collections[0], set_aside=(("caf\udce9.png", "name is not valid Unicode"),))
    write_page(tmp_path / "index.html", dataclasses.replace(report, collections=(odd,)))
    assert "caf?.png name is not valid Unicode" in parsed(tmp_path / "index.html").text


@pytest.mark.parametrize("overlay", ["overlays/absent.png", "/tmp/absolute.png", "text.png"])
def test_a_picture_that_is_not_there_is_named(overlay: str, report: Page, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    detector = dataclasses.replace(report.collections[0].detectors[0], images=(card("a", overlay, 1.0),))
    collection = dataclasses.replace(report.collections[0], detectors=(detector,))
    with pytest.raises(FirstsightError, match=overlay):
        write_page(tmp_path / "index.html", dataclasses.replace(report, collections=(collection,)))
    assert not (tmp_path / "index.html").exists()


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
    assert pages._number(value) == shown


@pytest.mark.parametrize(
    ("share", "shown"), [(0, "0 %"), (0.0001, "< 0.1 %"), (0.0006, "0.1 %"), (0.5, "50.0 %"), (1, "100.0 %")]
)
def test_shares_are_percentages(share: float, shown: str) -> None:
    assert pages._percent(share).replace("\u00a0", " ") == shown


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_browser_shows_the_page_and_its_pictures(dark: bool, report: Page, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium to look at the page with")
    write_page(tmp_path / "index.html", report)
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    command += ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", f"--screenshot={tmp_path / 'page.png'}"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    command += ["--window-size=1000,1600", (tmp_path / "index.html").as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    with Image.open(tmp_path / "page.png") as screenshot:
        pixels = numpy.asarray(screenshot.convert("RGB")).astype(int)
    assert (numpy.abs(pixels - numpy.array(MAGENTA)).max(axis=2) <= 6).mean() > 0.15
    corner = pixels[:10, :10].mean()
    assert corner < 60 if dark else corner > 240
