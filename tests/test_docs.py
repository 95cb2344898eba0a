"""The documentation is true: its tables are those of the code, its steps work as they are written."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from firstsight.storage.tables import read_table

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def test_what_is_made_from_the_settings_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs/make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in script.documents().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run `make settings`"


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        linked = page.parent / path if path else page
        assert linked.exists(), path
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_a_detector_is_added_word_by_word(tmp_path: Path) -> None:
    house = tmp_path / "house"
    for name in ("src", "workflow", "envs"):
        shutil.copytree(ROOT / name, house / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, house / name)
    (house / "profiles").symlink_to("workflow/profiles")

    blocks = BLOCK.findall((ROOT / "docs/add_a_detector.md").read_text(encoding="utf-8"))
    line = next(text for kind, text in blocks if kind == "python" and "Detector(" in text)
    registry = house / "src/firstsight/detectors/registry.py"
    text = registry.read_text(encoding="utf-8")
    start = "DETECTORS: dict[str, Detector] = {\n"
    assert text.count(start) == 1
    registry.write_text(text.replace(start, start + line), encoding="utf-8")
    for kind, text in blocks:
        if kind == "python" and text.startswith("# "):
            path = house / text.partition("\n")[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.partition("\n")[2], encoding="utf-8")
        elif kind == "yaml":
            (house / text.partition("\n")[0].removeprefix("# ")).write_text(text, encoding="utf-8")

    environment = {**os.environ, "PYTHONPATH": str(house / "src")}
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/detectors/test_roughness.py"]
    done = subprocess.run(test, cwd=house, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    for check in (["ruff", "check"], ["ruff", "format", "--check"]):
        settings = [*check, "--config", str(ROOT / "pyproject.toml"), "src/firstsight/detectors/roughness.py"]
        done = subprocess.run([sys.executable, "-m", *settings], cwd=house, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    (house / "pile").mkdir()
    for number in range(3):
        values = np.random.default_rng(number).integers(0, 255, (64, 64)).astype(np.uint8)
        Image.fromarray(values).save(house / f"pile/{number}.png")
    run = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "rough.yaml", "--until", "describe"]
    done = subprocess.run(run, cwd=house, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    regions = pandas.concat(map(read_table, (house / "results").rglob("detectors/roughness-*/kinds/regions/*.parquet")))
    assert set(regions["detector"]) <= {"roughness"}
    assert len(list((house / "results").rglob("detectors/roughness-*/maps/*.zarr.zip"))) == 1
