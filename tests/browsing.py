"""A headless Chromium that a test steers."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

AXE = Path(__file__).parent.parent / "node_modules/axe-core/axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Start Chromium; skips the test where it, or its driver, is not installed."""
    driver = shutil.which("chromedriver")
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    if driver is None or binary is None:
        pytest.skip("needs Chromium and chromedriver (Debian: the packages chromium and chromium-driver)")
    options = Options()
    options.binary_location = binary
    for argument in ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{argument}")
    for argument in ("disable-component-update", "disable-sync", "hide-scrollbars", "disable-dev-shm-usage"):
        options.add_argument(f"--{argument}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield started
    finally:
        started.quit()


def look(chrome: webdriver.Chrome, width: int = 1280, height: int = 900, *, dark: bool = False) -> None:
    """Give the page a size in CSS pixels, and a colour scheme."""
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def complaints(chrome: webdriver.Chrome) -> list[str]:
    """What the page wrote to the console since the last call: errors, refused scripts, missing files."""
    return [entry["message"] for entry in chrome.get_log("browser")]


def barriers(chrome: webdriver.Chrome, within: str = "html") -> list[str]:
    """What axe-core finds wrong within an element, by the rules of WCAG 2.2 A and AA and its best practices.

    Skips the test where axe-core is not installed.
    """
    if not AXE.exists():
        pytest.skip("needs axe-core (npm install --no-save axe-core)")
    chrome.execute_script(AXE.read_text(encoding="utf-8"))
    found = chrome.execute_async_script("axe.run(arguments[0], {preload: false}).then(arguments[1])", within)
    return [
        f"{each['id']}: {node['html'][:150]}: {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]
