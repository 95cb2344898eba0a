"""The page in a browser, from disk: it opens, filters, sorts, shows images, by mouse and by keyboard."""

import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from urllib.parse import quote, unquote

import numpy
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

from browsing import barriers, browser, complaints, look
from firstsight.clustering.verdicts import Verdict, read_verdicts
from firstsight.reports.page import write_page
from firstsight.reports.picture_files import file_of_picture, picture_files
from firstsight.reports.prepared_page import prepare_page
from page_samples import BLUE, ENDING, HANDLER, MAGENTA, SCRIPT, draw_pictures, large_page, run_before, sample_page

EVERYTHING_READ = "return window.performance.now() > 0 && firstsight.total > 0 && firstsight.read === firstsight.total"

WHEN_CARDS_ARE_THERE = """
new MutationObserver((_, observer) => {
  if (document.querySelectorAll(".card").length < 60) return;
  window.cardsAfter = performance.now();
  observer.disconnect();
}).observe(document, {childList: true, subtree: true});
"""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("run") / "reports"
    draw_pictures(reports, sample_page())
    write_page(reports / "index.html", prepare_page(sample_page(), run_before(sample_page())))
    return reports / "index.html"


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chrome: Chrome, index: Path) -> Iterator[Chrome]:
    """The page, freshly opened; a test after which the console holds anything has failed."""
    look(chrome)
    # What a page of another test said while it was left is no complaint of this one.
    complaints(chrome)
    chrome.get(index.as_uri())
    until(chrome, lambda: chrome.execute_script(EVERYTHING_READ))
    until(chrome, lambda: one(chrome, "#count").text == "37 images of 37")
    yield chrome
    assert complaints(chrome) == []


def until(chrome: Chrome, holds: Callable[[], object]) -> None:
    WebDriverWait(chrome, 30, poll_frequency=0.05).until(lambda _: holds())


def is_drawn(chrome: Chrome, name: str) -> bool:
    return bool(chrome.execute_script(f"return document.querySelector('.pane-{name}').naturalWidth") == 320)


def is_of(picture: WebElement, colour: tuple[int, int, int]) -> bool:
    """Whether a picture that was read from a file of pictures has this colour."""
    content = (picture.get_attribute("src") or "").partition("base64,")[2]
    with Image.open(BytesIO(b64decode(content))) as drawn:
        return bool(numpy.abs(numpy.asarray(drawn.convert("RGB")).astype(int) - colour).max() <= 8)


def one(chrome: Chrome, selector: str) -> WebElement:
    return chrome.find_element(By.CSS_SELECTOR, selector)


def cards(chrome: Chrome) -> list[str]:
    return chrome.execute_script("return [...document.querySelectorAll('.card .name')].map((each) => each.textContent)")


def choose(chrome: Chrome, name: str, text: str) -> None:
    Select(one(chrome, f"select[name={name}]")).select_by_visible_text(text)
    settle(chrome)


def fill(chrome: Chrome, name: str, text: str) -> None:
    one(chrome, f"input[name={name}]").send_keys(text)
    settle(chrome)


def press(chrome: Chrome, *keys: str) -> None:
    ActionChains(chrome).send_keys(*keys).perform()
    settle(chrome)


def settle(chrome: Chrome) -> None:
    """Let the page hear what was done: two frames."""
    chrome.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")


def shown(chrome: Chrome) -> str:
    return one(chrome, "#viewer-name").text


def open_first(chrome: Chrome) -> None:
    one(chrome, ".card").click()
    until(chrome, lambda: one(chrome, "#viewer").is_displayed())


def test_by_cluster_the_worst_kinds_and_medoids_are_first(page: Chrome) -> None:
    choose(page, "order", "by cluster")
    headings = page.execute_script("return [...document.querySelectorAll('#cards h3')].map((each) => each.textContent)")
    assert headings == ["tiles: second & <i>kind</i>", "tiles: cluster 0", "tiles: outlier", "cloth: not clustered"]
    assert cards(page)[0] == SCRIPT
    assert cards(page)[12] == "test/009.png"
    assert cards(page)[24:] == ["test/005.png", "0.png", "1.png", "2.png"]
    assert one(page, "#count").text == "37 images of 37"
    medoids = page.find_elements(By.CSS_SELECTOR, ".card .medoid")
    assert len(medoids) == 2


def test_pictures_are_read_when_they_come_into_view(page: Chrome) -> None:
    pictures = page.find_elements(By.CSS_SELECTOR, ".card img")
    look(page, 400, 500)
    page.execute_script("scrollTo(0, 0)")
    far = page.execute_script("return [...document.querySelectorAll('.card img')].filter((each) => !each.src).length")
    assert far > 0, "those far below are not read"
    assert all(picture.get_attribute("alt") for picture in pictures)
    page.execute_script("document.getElementById('cards').scrollIntoView()")
    until(page, lambda: page.execute_script("return document.querySelector('.card img').naturalWidth") == 320)
    assert (numpy.abs(screenshot(page) - numpy.array(MAGENTA)).max(axis=2) <= 6).mean() > 0.2


def screenshot(chrome: Chrome) -> numpy.ndarray:
    with Image.open(BytesIO(chrome.get_screenshot_as_png())) as image:
        return numpy.asarray(image.convert("RGB")).astype(int)


def test_hostile_names_are_words(page: Chrome) -> None:
    choose(page, "order", "by name")
    assert {SCRIPT, HANDLER, ENDING, "café.png"} < set(cards(page))
    assert page.execute_script("return document.querySelectorAll('img[src=x], #cards script').length") == 0


def test_the_browser_runs_no_script_that_is_not_a_file(chrome: Chrome, index: Path) -> None:
    chrome.get(index.as_uri())
    chrome.execute_script(
        "const made = document.createElement('script'); made.textContent = 'window.harm = 1';"
        "document.body.append(made);"
    )
    assert chrome.execute_script("return window.harm === undefined")
    assert any("Content Security Policy" in text for text in complaints(chrome))


def test_filters(page: Chrome) -> None:
    choose(page, "cluster", "second & <i>kind</i> (18)")
    assert len(cards(page)) == 18
    assert one(page, "#count").text == "18 images of 37"
    fill(page, "text", "TEST/02")
    assert cards(page) == [f"test/02{digit}.png" for digit in range(10)]
    fill(page, "from", "24")
    fill(page, "to", "25.5")
    assert cards(page) == ["test/024.png", "test/025.png"]
    one(page, "button[type=reset]").click()
    until(page, lambda: one(page, "#count").text == "37 images of 37")
    choose(page, "collection", "cloth")
    assert cards(page) == ["0.png", "1.png", "2.png"]
    choose(page, "detector", "grnr")
    assert cards(page) == []
    choose(page, "collection", "all")
    assert one(page, "#count").text == "33 images of 37"


def test_status_and_notes_filter(page: Chrome) -> None:
    choose(page, "status", "anomalous")
    assert one(page, "#count").text == "24 images of 37"
    choose(page, "status", "not anomalous")
    assert one(page, "#count").text == "13 images of 37"
    assert [option.text for option in Select(one(page, "select[name=note]")).options] == ["all", "copy of another"]
    choose(page, "note", "copy of another")
    assert len(cards(page)) == 10
    assert page.current_url.endswith("#gallery?status=normal&note=0")
    choose(page, "note", "all")
    page.execute_script("""
        const [{ detectors: [detector], name }] = firstsight.collections;
        const thing = firstsight.marks.thing({ collection: { name }, name: "test/004.png" }, detector);
        firstsight.marks.set({ ...thing, verdict: "normal" });
    """)
    choose(page, "status", "judged")
    assert cards(page) == ["test/004.png"]
    choose(page, "status", "not judged")
    assert one(page, "#count").text == "36 images of 37"
    page.execute_script("localStorage.clear()")


def test_more_like_an_image_in_the_order_of_likeness(page: Chrome, index: Path) -> None:
    choose(page, "order", "by name")
    fill(page, "text", "test/007")
    open_first(page)
    one(page, "#viewer-like").click()
    one(page, "button[type=reset]").click()
    until(page, lambda: one(page, "#count").text == "37 images of 37")
    open_first(page)
    name = shown(page)
    one(page, "#viewer-like").click()
    until(page, lambda: one(page, "#count").text == "4 images of 37")
    names = page.execute_script("return firstsight.collections[0].columns.image")
    images = list(sample_page().collections[0].detectors[0].image_results.index)
    place = images.index(name)
    assert cards(page) == [name, *(images[(place + step) % len(images)] for step in (3, 1, 2))]
    assert set(names) == set(images)
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    until(page, lambda: one(page, "#count").text == "4 images of 37")
    assert one(page, "#chosen").text == f"✕ like {name}"
    one(page, "#chosen").click()
    until(page, lambda: one(page, "#count").text == "34 images of 37")


def test_a_line_drawn_in_the_chart_chooses_images(page: Chrome) -> None:
    scatter = one(page, "[data-chart=scatter]")
    page.execute_script("arguments[0].scrollIntoView()", scatter)
    until(page, lambda: len(scatter.find_elements(By.TAG_NAME, "circle")) == 34)
    chart = scatter.find_element(By.TAG_NAME, "svg")
    width, height = chart.rect["width"], chart.rect["height"]
    middle = [[0.02, 0.02], [0.5, 0.02], [0.5, 0.98], [0.02, 0.98]]
    corners = [(round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in middle]
    move = ActionChains(page).move_to_element_with_offset(chart, *corners[0]).click_and_hold()
    for x, y in corners[1:]:
        move = move.move_to_element_with_offset(chart, x, y)
    move.release().perform()
    until(page, lambda: one(page, "#chosen").text == "✕ chosen in the chart")
    circles = scatter.find_elements(By.TAG_NAME, "circle")
    left = [circle for circle in circles if float(circle.get_attribute("cx") or "") < 210]
    assert len(cards(page)) == len(left)
    assert one(page, ".lasso").get_attribute("points")
    one(page, "#chosen").click()
    until(page, lambda: one(page, "#count").text == "34 images of 37")
    assert not one(page, ".lasso").get_attribute("points")
    ActionChains(page).move_to_element(scatter.find_elements(By.TAG_NAME, "circle")[0]).perform()
    until(page, lambda: one(page, "#hint").is_displayed())


def test_a_region_leads_to_its_kind(page: Chrome) -> None:
    choose(page, "order", "highest score first")
    open_first(page)
    one(page, "#viewer-regions .plain").click()
    until(page, lambda: one(page, "#count").text == "15 images of 37")


def test_orders(page: Chrome) -> None:
    assert cards(page)[:2] == ["test/010.png", "test/011.png"]
    assert cards(page)[24:26] == ["test/009.png", "test/008.png"], "those without a region by their score"
    choose(page, "order", "highest score first")
    assert cards(page)[:2] == ["café.png", ENDING]
    choose(page, "order", "worst first")
    assert cards(page)[:2] == ["test/010.png", "test/011.png"]
    choose(page, "order", "lowest score first")
    assert cards(page)[0] == "test/000.png"
    choose(page, "detector", "grnr")
    assert cards(page)[0] == "café.png"
    choose(page, "order", "by name")
    assert cards(page) == sorted(cards(page))


def test_a_kind_of_the_summary_shows_its_images(page: Chrome) -> None:
    one(page, ".findings a.kind[data-cluster='0/1']").click()
    assert len(cards(page)) == 18
    choose(page, "cluster", "all")
    assert len(cards(page)) == 25
    one(page, "[data-all='0/0']").click()
    assert len(cards(page)) == 15


def test_an_image_opens_and_the_keys_go_through(page: Chrome) -> None:
    choose(page, "order", "highest score first")
    open_first(page)
    assert shown(page) == "café.png"
    assert one(page, "#viewer-place").text == "1 of 37"
    assert "tiles, 320 x 200 pixels, label crack" in one(page, "#viewer-facts").text
    press(page, Keys.ARROW_LEFT)
    assert shown(page) == "café.png"
    press(page, Keys.ARROW_RIGHT)
    until(page, lambda: shown(page) == ENDING)
    press(page, Keys.ARROW_RIGHT)
    until(page, lambda: shown(page) == HANDLER)
    press(page, Keys.ESCAPE)
    until(page, lambda: not one(page, "#viewer").is_displayed())
    focused = page.switch_to.active_element
    assert HANDLER in " ".join(focused.text.split())
    press(page, Keys.ENTER)
    until(page, lambda: one(page, "#viewer").is_displayed())
    assert shown(page) == HANDLER


def test_the_address_holds_what_is_looked_at(page: Chrome, index: Path) -> None:
    choose(page, "order", "by name")
    fill(page, "text", "café")
    filtered = page.current_url
    assert filtered.endswith("#gallery?order=name&text=caf%C3%A9")
    open_first(page)
    address = page.current_url
    assert address.endswith("#tiles/fca/caf%C3%A9.png")
    page.back()
    until(page, lambda: not one(page, "#viewer").is_displayed())
    assert page.current_url == filtered
    for there in (filtered, address):
        page.get("about:blank")
        page.get(there)
        until(page, lambda: page.execute_script(EVERYTHING_READ))
        if there == filtered:
            until(page, lambda: cards(page) == ["café.png"])
    until(page, lambda: shown(page) == "café.png")
    press(page, Keys.ESCAPE)
    until(page, lambda: not one(page, "#viewer").is_displayed())
    page.get("about:blank")
    page.get(index.as_uri())
    until(page, lambda: page.execute_script(EVERYTHING_READ))
    one(page, ".worst a").click()
    until(page, lambda: shown(page) == "test/010.png")
    for nowhere in ("#no/such/image", "#tiles/fca/%E0%A4%A"):
        page.execute_script(f"location.hash = '{nowhere}'")
        settle(page)


def test_verdicts_are_kept_and_saved_as_a_file(page: Chrome, index: Path, tmp_path: Path) -> None:
    choose(page, "order", "by cluster")
    one(page, ".heading input").send_keys('=long, "cracks"', Keys.ENTER)
    choose(page, "order", "highest score first")
    open_first(page)
    Select(one(page, "#viewer-verdict select")).select_by_visible_text("defect")
    Select(one(page, "#viewer-regions tbody tr:nth-child(2) select")).select_by_visible_text("normal")
    press(page, Keys.ESCAPE)
    page.get("about:blank")
    page.get(index.as_uri())
    until(page, lambda: page.execute_script(EVERYTHING_READ))
    until(page, lambda: one(page, "#verdicts").text == "3 verdicts")
    page.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    one(page, "#save").click()
    until(page, (tmp_path / "verdicts.csv").exists)
    assert read_verdicts(tmp_path / "verdicts.csv") == [
        Verdict("tiles", "fca", SCRIPT, None, "kind", '=long, "cracks"'),
        Verdict("tiles", "fca", "café.png", None, "defect", ""),
        Verdict("tiles", "fca", "café.png", (200, 30, 40, 20), "normal", ""),
    ]
    page.execute_script("localStorage.clear()")


def test_the_viewer_shows_scores_regions_and_layers(page: Chrome) -> None:
    choose(page, "order", "highest score first")
    open_first(page)
    lines = one(page, "#viewer-detectors").text.splitlines()
    assert lines == [
        "detector score p-value threshold area cluster",
        "fca 33 0.01 8.25 1.2 % second & <i>kind</i>",
        "grnr -33 0.4 -8.25 0 % –",
    ]
    assert "1 20, 30 40 x 50 1.2 % 12.5 11.3 cluster 0" in one(page, "#viewer-regions").text
    assert "2 200, 30 40 x 20 1.2 % 12.5 11.3 another kind" in one(page, "#viewer-regions").text
    for name in ("picture", "map", "lines"):
        until(page, partial(is_drawn, page, name))
    one(page, "#viewer [data-detector='1']").click()
    assert page.switch_to.active_element.text == "grnr"
    until(page, lambda: is_of(one(page, ".pane-picture"), BLUE))
    assert one(page, "#viewer-regions").text == "none"
    assert not page.find_elements(By.CSS_SELECTOR, "#viewer rect")


def test_the_map_fades_and_boxes_and_rows_light_each_other(page: Chrome) -> None:
    choose(page, "order", "highest score first")
    open_first(page)
    slider = one(page, "#viewer-opacity")
    slider.send_keys(*[Keys.ARROW_LEFT] * 10)
    assert one(page, ".pane-map").value_of_css_property("opacity") == "0.5"
    assert shown(page) == "café.png", "the arrows belong to the slider"
    one(page, "[data-lines]").click()
    assert [one(page, ".pane-lines").is_displayed(), slider.get_attribute("value")] == [False, "0"]
    slider.send_keys(Keys.ARROW_RIGHT)
    assert one(page, ".pane-lines").is_displayed()
    second = one(page, "#viewer-regions tbody tr:nth-child(2)")
    box = one(page, ".stage [data-region='1']")
    stroke = partial(one(page, ".stage [data-region='1'] rect").value_of_css_property, "stroke")
    assert stroke() == "none"
    ActionChains(page).move_to_element(second).perform()
    until(page, lambda: stroke() != "none")
    ActionChains(page).move_to_element(one(page, "#viewer-name")).perform()
    until(page, lambda: stroke() == "none")
    ActionChains(page).move_to_element(box).perform()
    until(page, lambda: second.get_attribute("class") == "lit")
    one(page, "[data-boxes]").click()
    until(page, lambda: stroke() != "none")


def test_a_picture_is_zoomed_and_moved_by_mouse_and_keys(page: Chrome) -> None:
    choose(page, "order", "highest score first")
    open_first(page)
    zoom = "const {scale, x, y} = firstsight.viewer; return [scale, x, y]"
    one(page, "#viewer-regions tbody tr:nth-child(2) button").click()
    scale, x, y = page.execute_script(zoom)
    assert scale == pytest.approx(0.4 * 320 / 40)
    assert [x, y] == pytest.approx([220 / 320, 40 / 200])
    page.execute_script("document.querySelector('.picture').focus()")
    press(page, Keys.ARROW_LEFT)
    assert page.execute_script(zoom)[1] == pytest.approx(220 / 320 - 1 / 8 / scale)
    press(page, "0")
    assert page.execute_script(zoom) == [1, 0.5, 0.5]
    press(page, "+")
    assert page.execute_script(zoom) == [1.5, 0.5, 0.5]
    picture = one(page, ".picture")
    ActionChains(page).drag_and_drop_by_offset(picture, -100, 0).perform()
    assert page.execute_script(zoom)[1] == pytest.approx(0.5 + 100 / 1.5 / picture.rect["width"], abs=0.01)
    ActionChains(page).double_click(picture).perform()
    until(page, lambda: page.execute_script(zoom)[0] == 1)
    press(page, Keys.ARROW_RIGHT)
    until(page, lambda: shown(page) == ENDING)


def test_zoomed_in_the_file_itself_is_shown_where_it_can_be_read(page: Chrome, index: Path) -> None:
    original = index.parent.parent / "data/test/005.png"
    original.parent.mkdir(parents=True)
    Image.new("RGB", (320, 200), (0, 90, 200)).save(original)
    page.execute_script("firstsight.Pane.least = 100; location.hash = 'tiles/fca/test/005.png'")
    until(page, lambda: shown(page) == "test/005.png")
    picture = one(page, ".pane-picture")
    until(page, lambda: (picture.get_attribute("src") or "").startswith("data:image/webp"))
    press(page, "+")
    until(page, lambda: (picture.get_attribute("src") or "").endswith("/data/test/005.png"))
    press(page, Keys.ARROW_RIGHT)
    until(page, lambda: shown(page) != "test/005.png")
    until(page, lambda: (picture.get_attribute("src") or "").startswith("data:image/webp"))
    # Where the file is not there, the drawing stays.
    press(page, "+")
    until(page, lambda: any("ERR_FILE_NOT_FOUND" in message for message in complaints(page)))
    assert (picture.get_attribute("src") or "").startswith("data:image/webp")


def test_two_detectors_are_shown_side_by_side_and_the_address_says_so(page: Chrome) -> None:
    choose(page, "order", "highest score first")
    open_first(page)
    Select(one(page, "#viewer-beside")).select_by_visible_text("grnr")
    left, right = page.find_elements(By.CSS_SELECTOR, ".pane-map")
    until(page, lambda: left.get_attribute("src") and right.get_attribute("src"))
    assert is_of(left, MAGENTA)
    assert is_of(right, BLUE)
    address = page.current_url
    assert address.endswith("#tiles/fca/caf%C3%A9.png?beside=grnr")
    page.get("about:blank")
    page.get(address)
    until(page, lambda: len(page.find_elements(By.CSS_SELECTOR, ".pane")) == 2)
    Select(one(page, "#viewer-beside")).select_by_visible_text("–")
    assert len(page.find_elements(By.CSS_SELECTOR, ".pane")) == 1


def test_the_original_is_linked_where_it_is_a_file(page: Chrome) -> None:
    for name, address in (
        ("test/005.png", "/data/test/005.png"),
        (SCRIPT, f"/data/{quote(SCRIPT)}"),
        ("test/004.png", "/elsewhere/4.png"),
        ("test/003.png", None),
    ):
        page.execute_script(f"location.hash = 'tiles/fca/{quote(name)}'")
        until(page, lambda: shown(page) == name)  # noqa: B023
        link = one(page, "#viewer-original")
        assert link.is_displayed() == (address is not None)
        assert address is None or unquote(link.get_attribute("href") or "").endswith(unquote(address))
    assert "copy of another" in one(page, "#viewer-facts").text


def test_everything_is_reached_by_the_keyboard(page: Chrome) -> None:
    page.execute_script("document.body.focus()")
    press(page, Keys.TAB)
    assert page.switch_to.active_element.text == "to the gallery"
    reached = set()
    for _ in range(44):
        press(page, Keys.TAB)
        reached.add(page.execute_script("const e = document.activeElement; return e.name || e.className || e.tagName"))
    assert {
        "kind",
        "collection",
        "detector",
        "cluster",
        "status",
        "note",
        "order",
        "from",
        "to",
        "text",
        "card",
    } <= reached


def test_the_charts_are_drawn_and_lead_to_the_images(page: Chrome) -> None:
    scatter = one(page, "[data-chart=scatter]")
    page.execute_script("arguments[0].scrollIntoView()", scatter)
    until(page, lambda: len(scatter.find_elements(By.TAG_NAME, "circle")) == 34)
    assert "t-SNE of the descriptors, 34 images" in scatter.text
    circle = scatter.find_elements(By.CSS_SELECTOR, "circle.k1")[0]
    row = int(circle.get_attribute("data-row") or "")
    page.execute_script("arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", circle)
    until(page, lambda: one(page, "#viewer").is_displayed())
    assert shown(page) == page.execute_script(f"return firstsight.image({row}).name")
    press(page, Keys.ESCAPE)
    histogram = one(page, "[data-chart=histogram]")
    assert "strong: those with a region" in histogram.text
    assert len(histogram.find_elements(By.CSS_SELECTOR, ".bar.above")) >= 4
    tree = one(page, "[data-chart=tree]")
    assert len(tree.find_elements(By.CSS_SELECTOR, ".branch")) == 1
    assert len(tree.find_elements(By.CSS_SELECTOR, "g > rect")) == 2
    tree.find_elements(By.CSS_SELECTOR, ".key button")[0].click()
    assert len(cards(page)) == 18


def test_a_threshold_is_tried(page: Chrome) -> None:
    figure = one(page, "[data-chart=histogram]")
    page.execute_script("arguments[0].scrollIntoView()", figure)
    until(page, lambda: figure.find_elements(By.CSS_SELECTOR, ".trial input"))
    handle, says = (figure.find_element(By.CSS_SELECTOR, f".trial {tag}") for tag in ("input", "output"))
    assert says.text == "5 %: 24 of 34 images anomalous"
    assert not figure.find_element(By.TAG_NAME, "textarea").is_displayed()
    handle.send_keys(Keys.HOME)
    assert says.text == "0.1 %: 0 of 34 images anomalous, 24 as the run was"
    assert not figure.find_elements(By.CSS_SELECTOR, ".bar.above")
    choose(page, "status", "not anomalous")
    assert one(page, "#count").text == "37 images of 37; trying 0.1 % (tiles, fca)"
    choose(page, "order", "highest score first")
    assert "below what is tried" in one(page, ".card").text
    open_first(page)
    assert one(page, "#viewer-regions").text == "none at the threshold that is tried"
    assert one(page, ".pane-map").value_of_css_property("opacity") == "0"
    press(page, Keys.ESCAPE)
    address = page.current_url
    page.get("about:blank")
    page.get(address)
    until(page, lambda: one(page, "#count").text == "37 images of 37; trying 0.1 % (tiles, fca)")
    figure = one(page, "[data-chart=histogram]")
    page.execute_script("arguments[0].scrollIntoView()", figure)
    until(page, lambda: figure.find_elements(By.CSS_SELECTOR, ".trial input"))
    figure.find_element(By.CSS_SELECTOR, ".trial input").send_keys(Keys.END)
    line = figure.find_element(By.TAG_NAME, "textarea")
    assert line.get_attribute("value") == "threshold: {method: false_alarm_rate, rate: 0.5}"
    assert figure.find_element(By.TAG_NAME, "output").text == "50 %: 34 of 34 images anomalous, 24 as the run was"
    assert one(page, "#count").text == "3 images of 37; trying 50 % (tiles, fca)"
    figure.find_elements(By.CSS_SELECTOR, ".trial button")[1].click()
    assert one(page, "#count").text == "13 images of 37"


def test_a_score_is_tried_where_no_rate_decides(page: Chrome) -> None:
    tried = page.execute_script("""
        const [collection] = firstsight.collections;
        const [detector] = collection.detectors;
        Object.assign(detector, { rate: null, limit: 9.75 });
        const control = firstsight.trial.control(detector, collection);
        const handle = control.querySelector("input");
        return [0, 50, 100].map((position) => {
          handle.value = position;
          handle.dispatchEvent(new Event("input"));
          return [control.querySelector("output").textContent, control.querySelector("textarea").value];
        });
    """)
    assert tried == [
        ["9.75: 24 of 34\u00a0images anomalous, 24 as the run was", "threshold: {method: fixed, value: 9.75}"],
        ["11.1: 24 of 34\u00a0images anomalous, 24 as the run was", "threshold: {method: fixed, value: 11.13}"],
        ["12.5: 0 of 34\u00a0images anomalous, 24 as the run was", "threshold: {method: fixed, value: 12.5}"],
    ]


def test_narrow_and_dark(page: Chrome) -> None:
    look(page, 400, 860, dark=True)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 400
    assert screenshot(page)[2, 2].max() < 60
    open_first(page)
    assert page.execute_script("const d = document.getElementById('viewer'); return d.scrollWidth - d.clientWidth") <= 0
    box = one(page, "#viewer").rect
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 400
    look(page, 400, 860)
    press(page, Keys.ESCAPE)
    assert screenshot(page)[2, 2].min() > 200


@pytest.mark.parametrize("name", ["images-1-0", "regions-0-0"])
def test_a_file_of_data_that_is_missing_is_named(name: str, chrome: Chrome, index: Path) -> None:
    lost = index.parent / f"data/{name}.js"
    kept = lost.read_bytes()
    lost.unlink()
    try:
        chrome.get(index.as_uri())
        until(chrome, lambda: len(cards(chrome)) > 0)
        settle(chrome)
        one(chrome, ".card").click()
        until(chrome, lambda: f"data/{name}.js cannot be read" in one(chrome, "#count").text)
        assert len(complaints(chrome)) == 1
    finally:
        lost.write_bytes(kept)


def test_a_file_of_pictures_that_is_missing_is_named_and_no_other_picture_is_shown(chrome: Chrome, index: Path) -> None:
    folder = index.parent / sample_page().collections[0].detectors[0].folder / "0123456789"
    files = {name: folder / file_of_picture(name, "picture") for name in ("test/020.png", "test/021.png")}
    assert len(set(files.values())) == 2
    lost = files["test/021.png"]
    kept = lost.read_bytes()
    lost.unlink()
    try:
        chrome.get("about:blank")
        chrome.get(f"{index.as_uri()}#tiles/fca/test/020.png")
        until(chrome, lambda: is_drawn(chrome, "picture"))
        chrome.execute_script("location.hash = 'tiles/fca/test/021.png'")
        until(chrome, lambda: shown(chrome) == "test/021.png")
        until(
            chrome, lambda: f"{lost.name} cannot be read" in (one(chrome, "#count").get_attribute("textContent") or "")
        )
        assert one(chrome, ".pane-picture").get_attribute("src") in {None, ""}
        assert complaints(chrome)
    finally:
        lost.write_bytes(kept)


@pytest.mark.slow
def test_a_hundred_thousand_images_are_there_in_two_seconds(chrome: Chrome, tmp_path: Path) -> None:
    page = large_page(100_000)
    draw_pictures(tmp_path / "reports", page, all_images=False)
    # As much to read as a thumbnail usually is.
    noise = numpy.random.default_rng(0).integers(0, 255, (60, 60, 3), dtype=numpy.uint8)
    thumbnail = Image.fromarray(noise)
    for collection in page.collections:
        for shard, images in collection.images.groupby("shard")["image"]:
            with picture_files(tmp_path / "reports" / collection.detectors[0].folder / str(shard)) as files:
                for image in images:
                    files.add_pictures(image, {"thumbnail": thumbnail})
    write_page(tmp_path / "reports/index.html", prepare_page(page))
    look(chrome)
    watch = chrome.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WHEN_CARDS_ARE_THERE})
    chrome.get((tmp_path / "reports/index.html").as_uri())
    until(chrome, lambda: chrome.execute_script(EVERYTHING_READ))
    chrome.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", watch)
    page_drawn = "return [...document.querySelectorAll('.card img')].slice(0, 12).every((each) => each.naturalWidth)"
    chrome.execute_script("document.getElementById('cards').scrollIntoView()")
    until(chrome, lambda: chrome.execute_script(page_drawn))
    drawn_after = chrome.execute_script("return performance.now()")
    first, everything = chrome.execute_script("return [window.cardsAfter, performance.now()]")
    until(chrome, lambda: one(chrome, "#count").text == "100,000 images of 100,000")
    assert len(cards(chrome)) == 60
    start = time.perf_counter()
    choose(chrome, "order", "highest score first")
    sorted_after = time.perf_counter() - start
    assert len(cards(chrome)) == 60
    highest = max(score for collection in page.collections for score in collection.detectors[0].image_results["score"])
    assert f"score {highest:.3g}," in one(chrome, ".card").text.replace("\u00a0", " ")
    start = time.perf_counter()
    until(chrome, lambda: chrome.execute_script(page_drawn))
    drawn_again = time.perf_counter() - start
    print(f"cards {first:.0f} ms, everything {everything:.0f} ms, first pictures {drawn_after:.0f} ms")
    print(f"sorted {sorted_after:.2f} s, their pictures after {drawn_again:.2f} s more")
    assert first < 2000
    assert sorted_after < 2


def test_what_has_changed_leads_to_its_images(page: Chrome) -> None:
    (since,) = page.find_elements(By.CSS_SELECTOR, "details.since")
    summary = since.find_element(By.TAG_NAME, "summary")
    assert summary.text.startswith("Since the last run: ")
    assert "newly called anomalous" in summary.text
    links = since.find_elements(By.TAG_NAME, "a")
    assert not links[0].is_displayed(), "pictures come first"
    summary.send_keys(Keys.ENTER)
    settle(page)
    name = links[0].text
    links[0].click()
    until(page, lambda: one(page, "#viewer").is_displayed())
    assert shown(page) == name


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_bars_anyone(page: Chrome, *, width: int, dark: bool) -> None:
    look(page, width, 900, dark=dark)
    for chart in page.find_elements(By.CSS_SELECTOR, ".chart"):
        page.execute_script("arguments[0].scrollIntoView()", chart)
    until(page, lambda: page.find_elements(By.CSS_SELECTOR, ".trial input"))
    page.execute_script("document.querySelector('.since').open = true")
    assert barriers(page) == []
    open_first(page)
    Select(one(page, "#viewer-beside")).select_by_index(1)
    assert barriers(page, "#viewer") == []
