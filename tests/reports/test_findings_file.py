"""The findings of a run in one file: all that it shows is inside, and nothing in it is taken for code."""

import base64
import dataclasses
import re
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By

from browsing import barriers, browser, complaints, look
from firstsight.errors import FirstsightError
from firstsight.reports.findings_file import write_findings
from firstsight.reports.page import write_page
from firstsight.reports.page_report import Page
from firstsight.reports.picture_files import read_picture
from firstsight.reports.prepared_page import prepare_page
from page_samples import SCRIPT, draw_pictures, sample_page


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("run") / "reports"
    draw_pictures(reports, sample_page())
    write_page(reports / "index.html", prepare_page(sample_page()))
    write_findings(reports / "findings.html", prepare_page(sample_page()))
    return reports / "findings.html"


def test_every_picture_is_inside_and_there_is_no_script(findings: Path) -> None:
    text = findings.read_text()
    sources = re.findall(r'(?:src|href)="([^"#]*)', text)
    assert len(sources) > 24
    assert all(source.startswith("data:") for source in sources if source)
    assert "<script" not in text
    assert "onerror=alert(1)&gt;" in text
    assert "second &amp; &lt;i&gt;kind&lt;/i&gt;" in text
    for kind in ("webp", "png"):
        found = re.search(rf"data:image/{kind};base64,([A-Za-z0-9+/=]+)", text)
        assert found
        assert base64.b64decode(found[1])[:4] in {b"RIFF", b"\x89PNG"}


def test_the_worst_images_are_shown_as_far_as_they_fit(findings: Path, tmp_path: Path) -> None:
    assert "all anomalous images" in findings.read_text()
    shard = findings.parent / sample_page().collections[0].detectors[0].folder / "0123456789"
    one = len(read_picture(shard, SCRIPT, "thumbnail"))
    small = findings.with_name("small.html")
    write_findings(small, prepare_page(sample_page()), most_bytes=3 * (5 * one + 1))
    assert "the worst 5 of 24 anomalous images" in small.read_text()
    assert small.stat().st_size < findings.stat().st_size
    write_findings(tmp_path / "nothing.html", prepare_page(Page("nothing", "0.1.0", ())))
    assert "No collections." in (tmp_path / "nothing.html").read_text()


def test_the_same_results_give_the_same_file_and_a_missing_picture_is_named(findings: Path) -> None:
    before = findings.read_bytes()
    write_findings(findings, prepare_page(sample_page()))
    assert findings.read_bytes() == before
    collection = sample_page().collections[0]
    moved = dataclasses.replace(collection.detectors[0], folder="elsewhere")
    page = Page("x", "0", (dataclasses.replace(collection, detectors=(moved,)),))
    with pytest.raises(FirstsightError, match=r"elsewhere/.*\.js"):
        write_findings(findings, prepare_page(page))
    assert findings.read_bytes() == before


def test_a_browser_shows_it_with_its_style(findings: Path) -> None:
    with browser() as chrome:
        look(chrome, 400, 800)
        chrome.get(findings.as_uri())
        pictures = chrome.find_elements(By.TAG_NAME, "img")
        assert all(chrome.execute_script("return arguments[0].naturalWidth", picture) > 0 for picture in pictures)
        assert chrome.find_element(By.CSS_SELECTOR, ".cards").value_of_css_property("display") == "grid"
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= 400
        assert complaints(chrome) == []


def test_nothing_bars_anyone(findings: Path) -> None:
    with browser() as chrome:
        for dark in (False, True):
            look(chrome, dark=dark)
            chrome.get(findings.as_uri())
            assert barriers(chrome) == []
