"""What a public project promises about itself is said once and the same everywhere."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

import firstsight

ROOT = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HOME = "https://github.com/firstsight/firstsight"


def read_yaml(name: str) -> Any:
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_package_metadata_have_the_version_and_the_licence(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    package = tmp_path / "src/firstsight"
    package.mkdir(parents=True)
    shutil.copy(ROOT / "src/firstsight/__init__.py", package)
    (tmp_path / "metadata").mkdir()
    prepare = "import setuptools.build_meta as build; build.prepare_metadata_for_build_wheel('metadata')"
    done = subprocess.run(
        [sys.executable, "-c", prepare], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "metadata").glob("*.dist-info")
    lines = (folder / "METADATA").read_text(encoding="utf-8").splitlines()
    assert f"Version: {firstsight.__version__}" in lines
    assert "License-Expression: Apache-2.0" in lines
    assert "License-File: LICENSE" in lines
    assert (folder / "licenses/LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert [int(number) for number in re.findall(r"^   (\d)\. [A-Z]", text, re.MULTILINE)] == list(range(1, 10))
    assert "END OF TERMS AND CONDITIONS" in text


def test_version_stands_in_one_place() -> None:
    assert "version" not in PROJECT
    assert PROJECT["dynamic"] == ["version"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", firstsight.__version__)


def test_a_checkout_that_is_not_installed_knows_its_version() -> None:
    line = "import firstsight; print(firstsight.__version__)"
    # Without site-packages nothing tells the version but the source itself.
    done = subprocess.run(
        [sys.executable, "-S", "-c", line],
        env={"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == firstsight.__version__, done.stderr


def test_citation_is_of_this_version() -> None:
    citation = read_yaml("CITATION.cff")
    assert citation["version"] == firstsight.__version__
    assert citation["license"] == PROJECT["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in PROJECT["authors"]]
    assert citation["repository-code"] == PROJECT["urls"]["Source"]
    assert len(citation["references"]) == 5
    for paper in citation["references"]:
        assert paper["title"]
        assert all(author["family-names"] and author["given-names"] for author in paper["authors"])


def test_addresses_are_those_of_one_repository() -> None:
    assert PROJECT["urls"]["Homepage"] == HOME
    for name in ("CHANGELOG.md", "CONTRIBUTING.md", "CITATION.cff", "mkdocs.yml", "pyproject.toml", "docs/index.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        own = re.findall(r"https://github\.com/[\w.-]*firstsight[\w.-]*/[\w.-]+", text)
        assert own, name
        assert set(own) == {HOME}, name


def test_changelog_tells_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.index("## [Unreleased]") < text.index(firstsight.__version__)
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= {
        "Added",
        "Changed",
        "Deprecated",
        "Removed",
        "Fixed",
        "Security",
    }


def test_hooks_are_the_commands_of_make_check() -> None:
    recipe = re.search(r"^check: install\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert recipe is not None
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    (repository,) = read_yaml(".pre-commit-config.yaml")["repos"]
    assert [hook["entry"] for hook in repository["hooks"]] == commands
    assert not any(hook["pass_filenames"] for hook in repository["hooks"])


def test_the_host_runs_what_must_hold() -> None:
    steps = read_yaml(".github/workflows/ci.yml")["jobs"]["everything"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    python = next(step["with"]["python-version"] for step in steps if "setup-python" in step.get("uses", ""))
    assert PROJECT["requires-python"] == f">={python}"


def test_the_catalog_names_a_way_to_install_that_the_rules_have() -> None:
    ways = read_yaml(".snakemake-workflow-catalog.yml")["usage"]["software-stack-deployment"]
    assert [way for way, works in ways.items() if works] == ["conda"]
    rules = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert "    conda:\n" in rules
