"""The page of a real run with two detectors, hostile names and a broken file, opened from disk in a browser."""

import csv
import shutil
from pathlib import Path
from urllib.parse import quote

import pandas
import pytest
from PIL import Image
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait
from skimage import data

from browsing import browser, complaints, look
from firstsight.clustering.verdicts import COLUMNS
from running import LAWS, read_tables, run

HOSTILE = ["<img src=x onerror=alert(1)>.png", '" onload="alert(1).png', "été # 100%25?.png"]
CONFIG = {
    "collections": {"pile": {"path": "pile"}},
    "detectors": {"fca": {"patch_size": 5}, "spectral_residual": {}},
    # A threshold that marks something in most images, so that there are regions to judge.
    "threshold": {"method": "deviations"},
    **LAWS,
}
READ = "return firstsight.total > 0 && firstsight.read === firstsight.total"
EVERY_PICTURE = """
const done = arguments[0];
const paths = firstsight.collections.flatMap((collection) => collection.detectors.flatMap((detector) =>
  Array.from(detector.score, (score, row) => [score, firstsight.image(collection.first + row)])
    .filter(([score]) => !Number.isNaN(score))
    .flatMap(([, image]) => Object.keys(firstsight.places)
      .map((layer) => firstsight.picture(image, detector, layer)))));
const decoded = async (path) => { const image = new Image(); image.src = await path; return image.decode(); };
Promise.allSettled(paths.map(decoded))
  .then((all) => done([all.length, all.filter(({ status }) => status === "fulfilled").length]));
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    pile = folder / "pile"
    pile.mkdir()
    for number in range(4):
        tile = data.gravel()[80 * number : 80 * number + 80, 40 * number : 40 * number + 120].copy()
        if number % 2:
            tile[20:40, 30:50] = 120
        Image.fromarray(tile).save(pile / (HOSTILE[number] if number < 3 else "plain.png"))
    (pile / "broken.png").write_text("no image")
    with open(bytes(pile) + b"/caf\xe9.png", "wb") as file:
        file.write((pile / "plain.png").read_bytes())
    done = run(folder, config=CONFIG)
    assert done.returncode == 0, done.stderr
    return folder / "results"


def test_the_page_opens_and_every_picture_is_there(results: Path) -> None:
    images = read_tables(results)["images"]
    with browser() as chrome:
        look(chrome, 400, 800)
        chrome.get((results / "reports/index.html").as_uri())
        WebDriverWait(chrome, 10).until(lambda _: chrome.execute_script(READ))
        names = chrome.execute_script("return firstsight.collections[0].columns.image")
        assert sorted(names) == sorted(images.loc[images["fca_score"].notna(), "image"])
        assert set(HOSTILE) < set(names)
        assert chrome.execute_async_script(EVERY_PICTURE) == [2 * 4 * len(names)] * 2
        aside = chrome.find_element(By.CSS_SELECTOR, ".reasons").text
        assert "broken.png" in aside
        assert len(chrome.find_elements(By.CSS_SELECTOR, ".reasons tbody tr")) == len(images) - len(names)
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= 400
        assert complaints(chrome) == []


def test_the_page_opens_from_the_archive_that_is_shared(results: Path, tmp_path: Path) -> None:
    done = run(results.parent, "share", config=CONFIG)
    assert done.returncode == 0, done.stderr
    shutil.unpack_archive(results / "reports/page.zip", tmp_path)
    with browser() as chrome:
        look(chrome)
        chrome.get((tmp_path / "firstsight/reports/index.html").as_uri())
        WebDriverWait(chrome, 10).until(lambda _: chrome.execute_script(READ))
        every, present = chrome.execute_async_script(EVERY_PICTURE)
        assert every == present > 0
        chrome.find_element(By.LINK_TEXT, "what was found, in one file").click()
        pictures = chrome.find_elements(By.TAG_NAME, "img")
        assert all(chrome.execute_script("return arguments[0].naturalWidth", picture) > 0 for picture in pictures)
        assert complaints(chrome) == []


def test_verdicts_come_back_in_the_next_run(results: Path) -> None:
    folder = results.parent
    before = read_tables(results)
    region = before["regions"].iloc[0]
    place = ["collection", "detector", "image", "region"]
    address = "/".join(quote(region[part]) for part in ("collection", "detector", "image"))
    with browser() as chrome:
        look(chrome)
        chrome.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
        chrome.get(f"{(results / 'reports/index.html').as_uri()}#{address}")
        WebDriverWait(chrome, 10).until(lambda _: chrome.find_elements(By.CSS_SELECTOR, "#viewer-regions select"))
        assert not chrome.find_elements(By.CLASS_NAME, "since")
        Select(chrome.find_element(By.CSS_SELECTOR, "#viewer-regions select")).select_by_visible_text("normal")
        chrome.find_element(By.CSS_SELECTOR, "[data-close]").click()
        Select(chrome.find_element(By.NAME, "order")).select_by_visible_text("by cluster")
        chrome.find_element(By.CSS_SELECTOR, ".heading input").send_keys("long cracks", Keys.ENTER)
        chrome.find_element(By.ID, "save").click()
        WebDriverWait(chrome, 10).until(lambda _: (folder / "verdicts.csv").exists())
        done = run(folder, config={**CONFIG, "verdicts": "verdicts.csv"})
        assert done.returncode == 0, done.stderr
        after = read_tables(results)
        judged = after["regions"].merge(region[place].to_frame().T, on=place)
        assert judged["cluster_name"].tolist() == ["judged normal"]
        assert judged["cluster"].isna().all()
        assert len(after["regions"]) == len(before["regions"])
        assert "long cracks" in set(after["clusters"]["cluster_name"])
        assert set(done.stderr.split()).isdisjoint({"detect:", "features:", "cluster:"})
        chrome.get("about:blank")
        chrome.get((results / "reports/index.html").as_uri())
        assert (
            "1 region left out of kinds and exports, 1 kind named" in chrome.find_element(By.CSS_SELECTOR, ".said").text
        )
        assert "is called long cracks now." in chrome.find_element(By.CLASS_NAME, "since").text
        assert complaints(chrome) == []
    _verdicts_choose_the_threshold(results, region)


def _verdicts_choose_the_threshold(results: Path, region: pandas.Series) -> None:
    folder, images = results.parent, read_tables(results)["images"]
    calm = images.sort_values(f"{region['detector']}_score")["image"].iloc[0]
    place = f"{region['collection']},{region['detector']}"
    with open(folder / "verdicts.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for image, word in ((region["image"], "defect"), (calm, "normal")):
            writer.writerow([*place.split(","), image, *[""] * 4, word, ""])
    done = run(folder, config={**CONFIG, "verdicts": {"file": "verdicts.csv", "use": "threshold"}})
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "The verdicts" in line]
    assert [line.partition(": ")[2].partition(": ")[0] for line in told] == [place.replace(",", ", ")]
    assert "1 of 1 image judged to have a defect and 0 of 1 judged normal are called anomalous." in told[0]
    after = read_tables(results)["regions"]
    called = set(after.loc[after["detector"].eq(region["detector"]), "image"])
    assert region["image"] in called
    assert calm not in called
    page = (results / "reports/index.html").read_text(encoding="utf-8", errors="replace")
    assert told[0].partition(": ")[2].partition(": ")[2] in page
    assert "The kind long cracks is called" in page
