"""Disks, clocks and other runs that misbehave: one clear line, nothing damaged, and the next run ends as it should."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas
import pytest
from PIL import Image

from running import QUICK, command, environment, read_tables, run

pytestmark = pytest.mark.slow

CONFIG = {"collections": {"pile": {"path": "../pile"}}, "images_per_job": 3, **QUICK}
N_IMAGES = 6
HOUR = 3600.0


def add_images(folder: Path) -> None:
    (folder / "pile").mkdir()
    for number in range(N_IMAGES):
        values = np.random.default_rng(number).integers(0, 255, (96, 96)).astype(np.uint8)
        values[20:40, 10 * number : 10 * number + 20] = 128
        Image.fromarray(values).save(folder / f"pile/{number}.png")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing befell; beside it lie its images, so that copies of it find them, too."""
    place = tmp_path_factory.mktemp("faults")
    add_images(place)
    (place / "whole").mkdir()
    done = run(place / "whole", config=CONFIG)
    assert done.returncode == 0, done.stderr
    return place / "whole"


# Tests that compare tables ask for no more than these: pictures and page would take a fifth of their time.
def copied(whole: Path, name: str) -> Path:
    """A copy of the run, times and all, to do damage to."""
    return Path(shutil.copytree(whole, whole.with_name(name), symlinks=True))


def assert_same_tables(one: Path, other: Path) -> None:
    expected, found = read_tables(one / "results"), read_tables(other / "results")
    for name in ("images", "regions", "clusters", "metrics"):
        pandas.testing.assert_frame_equal(found[name], expected[name], check_exact=True)


def our_lines(text: str) -> set[str]:
    return {line for line in text.splitlines() if line.startswith("firstsight: ")}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """An empty disk of its own, of half a megabyte."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("mounting a disk takes root")
    place = tmp_path / "disk"
    place.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    mounted = subprocess.run(line, capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(whole: Path, disk: Path) -> None:
    folder = whole.with_name("full")
    folder.mkdir()
    config = {**CONFIG, "results": str(disk / "results")}
    filled = disk / "filled"
    filled.write_bytes(bytes(256 * 1024))
    done = run(folder, "tables", config=config)
    assert done.returncode != 0
    lines = our_lines(done.stderr)
    assert any("No space left on device: " in line for line in lines)
    # Where not even the log could be written, the job says so itself.
    assert all(re.search(r"No space left on device: |its log does not say why", line) for line in lines)
    subprocess.run(["mount", "-o", "remount,size=64m", disk], check=True)
    filled.unlink()
    again = run(folder, "tables", config=config)
    assert again.returncode == 0, again.stderr
    shutil.copytree(disk / "results", folder / "results")
    assert_same_tables(whole, folder)


def test_results_that_cannot_be_written_are_one_line_before_any_job(whole: Path, disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = run(whole, config={**CONFIG, "results": str(disk / "results")})
    assert done.returncode != 0
    (line,) = our_lines(done.stderr)
    assert line.startswith(f"firstsight: config: results: {disk} cannot be written to [{whole / 'mine.yaml'}, line ")
    assert "Traceback" not in done.stderr


def test_a_second_run_in_the_same_folder_is_refused(whole: Path) -> None:
    folder = whole.with_name("two")
    folder.mkdir()
    line = command(folder, "tables", config=CONFIG)
    first = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment())
    deadline = time.monotonic() + 60
    while not any(lock.stat().st_size for lock in (folder / ".snakemake/locks").glob("*.output.lock")):
        assert time.monotonic() < deadline, "the first run has not locked its folder"
        time.sleep(0.05)
    # The first run must not end before the second has looked for its lock.
    first.send_signal(signal.SIGSTOP)
    try:
        second = run(folder, config=CONFIG)
    finally:
        first.send_signal(signal.SIGCONT)
    output = first.communicate(timeout=300)[0]
    assert second.returncode != 0
    assert "Directory cannot be locked" in second.stderr
    assert first.returncode == 0, output
    assert_same_tables(whole, folder)


def test_a_damaged_shard_is_made_anew_and_not_trusted(whole: Path) -> None:
    folder = copied(whole, "damaged")
    store = sorted((folder / "results/pile/features").glob("*/*.zarr.zip"))[0]
    content = bytearray(store.read_bytes())
    content[len(content) // 2] ^= 0xFF
    times = store.stat()
    store.write_bytes(content)
    os.utime(store, ns=(times.st_atime_ns, times.st_mtime_ns))
    shutil.rmtree(folder / "results/pile/detectors")
    shutil.rmtree(folder / "results/tables")
    done = run(folder, "--until", "detect", config=CONFIG)
    assert done.returncode != 0
    (line,) = our_lines(done.stderr)
    (log,) = re.findall(
        rf"^firstsight: detect: '.*{store.name}' is damaged at '0000\d': it was taken away, "
        r"run again to have it made anew; log: (\S+)$",
        line,
    )
    assert (folder / log).read_text().splitlines()[-1].startswith("failed: '")
    assert done.stderr.splitlines()[-1] == line, "failures come last"
    again = run(folder, "tables", config=CONFIG)
    assert again.returncode == 0, again.stderr
    assert re.search(r"^features: 3 images in ", again.stderr, re.MULTILINE), again.stderr
    assert_same_tables(whole, folder)


def test_damaged_files_of_any_kind_are_made_anew_and_not_trusted(whole: Path) -> None:
    folder = copied(whole, "cut")
    pile = folder / "results/pile"
    patterns = [
        "shards/*/truth.json",
        "shards/*/manifest.run.json",
        "shards/*/members.json",
        "detectors/*/decision.json",
    ]
    patterns += [f"detectors/*/kinds/{name}" for name in ("scores/*.json", "regions/*.parquet", "described/*.npz")]
    damaged = {}
    for index, pattern in enumerate(patterns):
        path = sorted(pile.glob(pattern))[-(index % 2)]
        content = path.read_bytes()
        damaged[path] = content[: len(content) * 2 // 3]
        path.write_bytes(damaged[path])
    next(pile.glob("detectors/*/kinds/clusters.parquet")).unlink()
    shutil.rmtree(folder / "results/tables")
    told: set[str] = set()
    for _ in damaged:
        done = run(folder, "tables", config=CONFIG)
        lines = our_lines(done.stderr)
        assert all(re.search(r"run again to have it made( anew)?; log: \S+", line) for line in lines), lines
        if done.returncode == 0:
            break
        assert lines - told, "a run that fails says of something else that it is damaged"
        told |= lines
    assert done.returncode == 0, done.stderr
    assert len(told) >= 3
    assert_same_tables(whole, folder)
    left = [path for path, content in damaged.items() if path.exists() and path.read_bytes() == content]
    assert [path.name for path in left] == ["members.json"], "the manifest has the members, too"


def touch_all(results: Path, seconds: float) -> None:
    for path in results.rglob("*"):
        found = path.lstat()
        os.utime(path, (found.st_atime + seconds, found.st_mtime + seconds), follow_symlinks=False)


@pytest.mark.parametrize("seconds", [-1e9, 48 * HOUR])
def test_finished_results_of_a_wrong_clock_are_kept(whole: Path, seconds: float) -> None:
    folder = copied(whole, f"clock{seconds:.0f}")
    touch_all(folder / "results", seconds)
    plan = run(folder, "--dry-run", config=CONFIG)
    assert "Nothing to be done" in plan.stdout + plan.stderr


def test_a_clock_that_was_ahead_costs_one_run_and_no_more(whole: Path) -> None:
    folder = copied(whole, "ahead")
    touch_all(folder / "results/pile/features", HOUR)
    shutil.rmtree(folder / "results/pile/detectors")
    shutil.rmtree(folder / "results/tables")
    done = run(folder, "tables", config=CONFIG)
    assert done.returncode == 0, done.stderr
    assert "\ndetect: 6 images in " in done.stderr
    assert "\nfeatures: " not in done.stderr
    assert "Nothing to be done" in run(folder, "tables", "--dry-run", config=CONFIG).stdout
    assert_same_tables(whole, folder)
