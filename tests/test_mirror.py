"""The tests mirror the package: who looks for the tests of a file finds them under its name."""

from pathlib import Path

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "src/firstsight"
CONSOLE = PACKAGE.with_name("snakemake_logger_plugin_firstsight")
SEVERAL_FILES = {
    "reports/test_page_browser.py": "the page's scripts and style, which are no Python",
    "stages/test_kinds.py": "describe, cluster and assign, which are right only together",
    "stages/test_stages.py": "all stages from images to metrics, one after the other",
}
"""Test files that belong to no single module, and what they test."""


def test_a_test_file_belongs_to_a_module() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    files = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    alone = {
        file.as_posix()
        for file in files
        if file.parts[0] in rooms and not (PACKAGE / file.with_name(file.name.removeprefix("test_"))).exists()
    }
    assert alone == set(SEVERAL_FILES)


def test_so_do_those_of_the_console() -> None:
    modules = {path.stem.strip("_") for path in CONSOLE.glob("*.py")}
    assert {path.stem.removeprefix("test_") for path in (TESTS / "console").glob("test_*.py")} == modules
