"""The command of an installed package: built as a wheel, started in an empty folder, stopped, started again."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

import firstsight
from running import ROOT, environment, run

# Not the default detector, which a new folder would have to compile for half a minute.
DETECTOR = "grnr"
COMMAND = ("photos", "--detector", DETECTOR)
MOST_SECONDS = 900
"""No step takes a tenth of it, unless other tests have the machine."""
SOURCES = ("src", "workflow", "envs", "Snakefile", "config.yaml", "pyproject.toml", "README.md", "LICENSE")
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_PYTHON_ALONE = {
    "docs/add_a_detector.md": "tests/test_docs.py follows it",
    "docs/configuration.md": "lines of a Snakefile",
}
PAGES = [
    name
    for name in ("README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")))
    if name not in NOT_PYTHON_ALONE and PYTHON.search((ROOT / name).read_text(encoding="utf-8"))
]
"""Pages with lines of Python that a person may copy."""

pytestmark = pytest.mark.slow


class Told(NamedTuple):
    """What the command wrote, and how it ended."""

    code: int
    out: str
    err: str
    seconds: float


class Installed(NamedTuple):
    """An installed package, and a folder in which its command has run."""

    package: Path
    folder: Path
    stopped: Told
    locks: list[str]
    done: Told


def start(package: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, package / "bin/firstsight", *arguments],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> Told:
    begun = time.monotonic()
    try:
        out, err = process.communicate(timeout=MOST_SECONDS)
    finally:
        # What is still going on would take its time from all other tests.
        process.kill()
    return Told(process.returncode, out, err, time.monotonic() - begun)


def wait_for_a_job(process: subprocess.Popen[str], results: Path) -> None:
    """Wait until a run has begun its first job, or has ended without one."""
    deadline = time.monotonic() + MOST_SECONDS
    while (
        process.poll() is None and time.monotonic() < deadline and not any(results.glob("logs/photos/manifest/*.log"))
    ):
        time.sleep(0.05)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    place = tmp_path_factory.mktemp("wheel")
    (place / "source").mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, place / "source" / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, place / "source")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    package = place / "package"
    made = subprocess.run(
        [*pip, "--target", package, place / "source"], capture_output=True, text=True, timeout=MOST_SECONDS, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr

    folder = place / "here"
    (folder / "photos").mkdir(parents=True)
    values = np.random.default_rng(0).integers(60, 200, (80, 96, 3)).astype(np.uint8)
    values[30:42, 50:62] = 255
    Image.fromarray(values).save(folder / "photos/a.jpg", quality=95)
    shutil.copy(folder / "photos/a.jpg", folder)
    (folder / "photos/empty.jpg").touch()

    first = start(package, folder, *COMMAND)
    wait_for_a_job(first, folder / "results")
    first.send_signal(signal.SIGINT)
    stopped = end(first)
    assert stopped.code == 130, f"it ended before it was stopped: {stopped.out}{stopped.err}"
    locks = sorted(os.listdir(folder / ".snakemake/locks"))
    return Installed(package, folder, stopped, locks, end(start(package, folder, *COMMAND)))


def test_an_interrupt_ends_it_soon_with_a_line_that_says_how_to_go_on(installed: Installed) -> None:
    # Two seconds, on a machine that has nothing else to do.
    assert installed.stopped.seconds < 10
    assert installed.stopped.err.splitlines()[-1] == "firstsight: stopped; the same command goes on where it was"
    assert "Traceback" not in installed.stopped.err


def test_the_same_command_goes_on_though_the_first_left_its_locks(installed: Installed) -> None:
    assert installed.locks == ["0.input.lock", "0.output.lock"]
    assert installed.done.code == 0, installed.done.err
    assert not list((installed.folder / ".snakemake").glob("locks/*"))


def test_it_ends_with_what_was_found_and_the_address_of_the_page(installed: Installed) -> None:
    found, address = installed.done.out.splitlines()[-2:]
    assert re.fullmatch(r"1 of 2 images shows anomalies, \d+ regions?, 1 cluster; 1 file was set aside", found)
    assert address == f"file://{installed.folder}/results/reports/index.html"
    assert (installed.folder / "results/reports/index.html").is_file()


def files_in(folder: Path) -> set[str]:
    files = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {file.as_posix() for file in files if "__pycache__" not in file.parts}


def test_the_workflow_is_that_of_the_package(installed: Installed) -> None:
    packaged = installed.package / "firstsight/packaged"
    for name in ("Snakefile", "config.yaml", "profiles/slurm/config.yaml", "workflow/rules/common.smk"):
        assert (packaged / name).read_bytes() == (ROOT / name).read_bytes()
        assert not (packaged / name).is_symlink()
    there, here = files_in(packaged / "workflow"), files_in(ROOT / "workflow")
    # Profiles lie beside the Snakefile, where Snakemake looks for them.
    assert there == {name for name in here if not name.startswith("profiles/")}


def test_plain_snakemake_finds_nothing_left_to_do(installed: Installed) -> None:
    plain = run(installed.folder, "--dry-run", "--configfile", str(installed.folder / "results/firstsight.yaml"))
    assert "Nothing to be done" in plain.stdout + plain.stderr


def test_python_finds_the_same_numbers(installed: Installed) -> None:
    results = firstsight.open_results(installed.folder / "results")
    found = firstsight.find(installed.folder / "a.jpg", detector=DETECTOR)
    row = results.images.set_index("image").loc["a.jpg"]
    np.testing.assert_array_equal(found.map, results.map("a.jpg"))
    assert np.float32(found.score) == row[f"{DETECTOR}_score"]
    assert np.float32(found.threshold) == row[f"{DETECTOR}_threshold"]
    columns = ["image", "region", "x", "y", "width", "height", "area", "score_max", "score_mean"]
    assert len(found.regions) >= 1
    assert found.regions[columns].equals(results.regions[columns])


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_python_run_as_they_stand(installed: Installed, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(installed.folder)
    for snippet in PYTHON.findall((ROOT / page).read_text(encoding="utf-8")):
        exec(compile(snippet, page, "exec"), {})
