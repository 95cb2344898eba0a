"""The documentation is true: its tables are those of the code, its steps work as they are written."""

import ast
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import yaml
from PIL import Image
from snakemake.cli import parse_args

from firstsight.command.main import main
from firstsight.plan.study_tables import STUDIES
from firstsight.storage.tables import read_table

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / ".github").rglob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
SPELT_OUT = {
    "AP": "average precision",
    "ARI": "adjusted Rand index",
    "AUROC": "area under the receiver operating characteristic",
    "CFA": "coupled-hypersphere-based feature adaptation",
    "FCA": "feature correspondence analysis",
    "GLCM": "grey-level co-occurrence matrix",
    "GRNR": "global-regularized neighborhood regression",
    "NMI": "normalised mutual information",
    "PFAM": "pretrained feature attentive module",
    "PRO": "per-region overlap",
    "RPCA": "robust principal component analysis",
    "SBM": "shape-biased module",
    "SWW": "sample-weighted Wasserstein",
    "VAE": "variational autoencoder",
}
OF_SNAKEMAKE = {
    "Directory cannot be locked",
    "Missing files after … seconds",
    "argument --logger: invalid choice: 'firstsight'",
}
"""Lines of the page on troubles that Snakemake writes, not firstsight."""


def test_what_is_made_from_the_settings_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_settings", ROOT / "docs/make_settings.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    for name, text in script.documents().items():
        assert (ROOT / name).read_text(encoding="utf-8") == text, f"{name}: run `make settings`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        linked = page.parent / path if path else page
        assert linked.exists(), path
        if anchor:
            titles = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


# The table of settings is made from the code, a sentence for each setting that stands alone.
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "settings.md"], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_abbreviations_are_spelt_out_where_they_first_stand(page: Path) -> None:
    prose = " ".join(CODE.sub(" ", page.read_text(encoding="utf-8")).split())
    for short, words in SPELT_OUT.items():
        first = re.search(rf"\b{short}\b", prose)
        if first is not None:
            nearby = prose[max(first.start() - len(words) - 40, 0) : first.end() + len(words) + 40]
            assert words.lower() in nearby.lower(), f"{short}: …{nearby}…"


def pages_of(entry: Any) -> list[str]:
    """The pages of a part of the site's navigation."""
    if isinstance(entry, str):
        return [entry]
    return [page for part in (entry.values() if isinstance(entry, dict) else entry) for page in pages_of(part)]


def test_the_site_has_every_page_once() -> None:
    found = (path for pattern in ("*.md", "*.ipynb") for path in (ROOT / "docs").rglob(pattern))
    pages = sorted(path.relative_to(ROOT / "docs").as_posix() for path in found)
    assert sorted(pages_of(SITE["nav"])) == pages


@pytest.mark.slow
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stderr
    pages = sorted(tmp_path.rglob("*.html"))
    assert len(pages) > len(pages_of(SITE["nav"]))
    loads = re.compile(
        r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//|<link\b[^>]*\bhref=[\"']?(?:https?:)?//"
    )
    for page in pages:
        assert not loads.findall(page.read_text(encoding="utf-8")), page.name
    for style in tmp_path.rglob("*.css"):
        assert not re.search(r"@import|url\([\"']?(?:https?:)?//", style.read_text(encoding="utf-8")), style.name
    notebook = (tmp_path / "notebook.html").read_text(encoding="utf-8")
    assert "data:image/png" in notebook, "it has run, and shows its picture"
    assert re.search(r"\d of 4 images shows? anomalies, .*\nfile://", notebook)


def test_the_picture_of_the_rules_shows_rules() -> None:
    picture = (ROOT / "docs/rules.svg").read_text(encoding="utf-8")
    shown = set(re.findall(r"<text[^>]*>(\w+)</text>", picture))
    files = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
    rules = {name for path in files for name in re.findall(r"^rule (\w+):", path.read_text(encoding="utf-8"), re.M)}
    assert {"all", "features", "detect", "cluster", "page"} <= shown
    assert shown <= rules


def commands(page: Path) -> Iterator[list[str]]:
    """The lines in the shell blocks of a page that start firstsight or Snakemake, in words."""
    for kind, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        for line in text.splitlines() if kind == "sh" else ():
            words = shlex.split(line, comments=True)
            if words and words[0].rpartition("/")[2] in ("firstsight", "snakemake"):
                yield [words[0].rpartition("/")[2], *words[1:]]


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(commands(page))], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_commands_are_understood(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Snakemake looks for profiles where it is started.
    monkeypatch.chdir(ROOT)
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    targets = {"all", "assign", *STUDIES, *re.findall(r"^rule (\w+):", rules, re.MULTILINE)}
    for program, *words in commands(page):
        if program == "snakemake":
            _, parsed = parse_args(words)
            # What stands behind --configfile is taken for another config.
            assert set(parsed.targets) <= targets, words
            assert [path.suffix for path in parsed.configfile or []] in ([], [".yaml"]), words
        else:
            with main.make_context("firstsight", list(words), resilient_parsing=True) as context:
                name, command, rest = main.resolve_command(context, [*context._protected_args, *context.args])
            assert command is not None, name
            assert command.make_context(name, rest).params is not None


def messages(path: Path) -> Iterator[re.Pattern[str]]:
    """Patterns of the texts in a source file that are long enough to be a message; what a text fills in is anything."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {id(part) for text in ast.walk(tree) if isinstance(text, ast.JoinedStr) for part in ast.walk(text)}
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside | docstrings:
            parts = [node.value]
        else:
            continue
        texts = [re.sub(r"^(firstsight|config): ", "", part) if isinstance(part, str) else None for part in parts]
        if sum(map(len, filter(None, texts))) >= len("empty file"):
            yield re.compile("".join(".+" if text is None else re.escape(text) for text in texts))


def test_troubles_are_told_in_the_words_of_the_code() -> None:
    text = CODE.findall((ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8"))
    lines = {code.strip("`") for code in text if code.count(" ") >= 2 and not code.startswith(("```", "`--"))}
    lines = {line for line in lines if "{" not in line} - OF_SNAKEMAKE
    assert len(lines) > 20
    known = [pattern for path in (ROOT / "src").rglob("*.py") for pattern in messages(path)]
    for line in lines:
        filled = line.removeprefix("firstsight: ").removeprefix("config: ").replace("…", "7 7")
        assert any(pattern.search(filled) for pattern in known), line


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
