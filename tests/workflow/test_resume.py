"""A run killed at any moment and started again gives the tables of an uninterrupted one."""

import os
import random
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pandas
import psutil
import pytest

from firstsight.storage.store import ShardReader
from firstsight.storage.zarr_archive import group_member, read_attributes, read_members, write_archive
from running import QUICK, command, environment, read_tables, run

CONFIG: dict[str, Any] = {
    "collections": {"tiles": {"layout": "demo", "texture": "brick"}},
    "images_per_job": 7,
    **QUICK,
}
KILLS = 12
VICTIMS = ("group", "snakemake", "job")
SHARES_OF_A_RUN = (0.05, 0.35)
"""Kills come after such a share of the time that an undisturbed run takes on this machine."""
EVERY = 2
"""Of so many kills, one comes after a shard was finished, however slow the machine is."""


def jobs_of(process: psutil.Process) -> list[psutil.Process]:
    """The jobs that a run of Snakemake has started and that still run."""
    return [each for each in process.children(recursive=True) if is_job(each)]


def is_job(process: psutil.Process, folder: Path = Path("/")) -> bool:
    """Whether a process is a job of a run in this folder."""
    try:
        return any(".snakemake/scripts" in part and part.startswith(str(folder)) for part in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def kill_at_random(folder: Path, seconds: float, victim: str, before: dict[Path, int] | None) -> bool:
    """Start the run and kill a part of it after some seconds; False where it had ended before.

    Args:
        folder: of the run.
        seconds: after which the kill comes.
        victim: the whole process group; Snakemake, whose jobs go on alone; or a job, as a machine does that is out of
            memory.
        before: what was `finished` at the start, if the kill is to wait until another shard is, too.
    """
    process = subprocess.Popen(
        command(folder, config=CONFIG),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment(),
    )
    moment = time.monotonic() + seconds
    while time.monotonic() < moment or finished(folder / "results") == before:
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    jobs = jobs_of(psutil.Process(process.pid))
    if victim == "job" and jobs:
        jobs[0].kill()
        assert process.wait() != 0
    elif victim == "snakemake":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def wait_for_jobs_left_alone(folder: Path) -> None:
    """Jobs whose Snakemake was killed go on until they are done."""
    deadline = time.monotonic() + 120
    while any(is_job(process, folder) for process in psutil.process_iter()):
        assert time.monotonic() < deadline, "jobs are still running"
        time.sleep(0.2)


def finished(results: Path) -> dict[Path, int]:
    """Stores of features and maps under their final names, and when they were made."""
    return {path: path.stat().st_mtime_ns for path in results.glob("*/*/*/**/*.zarr.zip")}


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path) -> None:
    undisturbed, folder = tmp_path / "undisturbed", tmp_path / "killed"
    for place in (undisturbed, folder):
        place.mkdir()
    started = time.monotonic()
    done = run(undisturbed, "tables", config=CONFIG)
    whole_run = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    moments = random.Random(20261122)
    kills, kept = 0, 0
    while kills < KILLS:
        before = finished(folder / "results")
        seconds = whole_run * moments.uniform(*SHARES_OF_A_RUN)
        if not kill_at_random(folder, seconds, VICTIMS[kills % len(VICTIMS)], None if kills % EVERY else before):
            # The run came to its end: take the maps and all that follows away, so that there is something to kill.
            for part in ("tiles/detectors", "tables"):
                shutil.rmtree(folder / "results" / part)
            continue
        kills += 1
        after = finished(folder / "results")
        kept += sum(after.get(path) == made for path, made in before.items())
        assert sum(after.get(path) != made for path, made in before.items()) <= 2, "finished shards were done again"
    wait_for_jobs_left_alone(folder)
    done = run(folder, config=CONFIG)
    assert done.returncode == 0, done.stderr
    assert kept > 0, "no kill came after a shard was finished"
    whole, resumed = read_tables(undisturbed / "results"), read_tables(folder / "results")
    for name in ("images", "regions", "clusters", "metrics"):
        pandas.testing.assert_frame_equal(resumed[name], whole[name], check_exact=True)
    keys = ["collection", "rule", "shard", "detector", "n_images"]
    pandas.testing.assert_frame_equal(resumed["runs"][keys], whole["runs"][keys])


@pytest.mark.slow
def test_a_shard_that_was_cut_off_keeps_its_images(tmp_path: Path) -> None:
    """One job that is slow enough to be killed in the middle: the images it had done are not done again."""
    config = {**CONFIG, "images_per_job": "auto", "detectors": {"fca": {"patch_size": 31}}}
    process = subprocess.Popen(
        command(tmp_path, config=config),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=environment(),
    )
    partial: list[Path] = []
    deadline = time.monotonic() + 120
    while len(partial) < 3 and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
        partial = sorted((tmp_path / "results").glob("tiles/detectors/*/maps/*.partial/*-*.zip"))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(partial) >= 3, "the job was not caught in the middle"
    for path in partial[:2]:
        with zipfile.ZipFile(path) as archive:
            members = dict(read_members(archive, path.stem))
            mark = read_attributes(archive, path.stem)
        mark["attributes"]["seen"] = path.name
        write_archive(path, (members | dict([group_member(path.stem, mark)])).items())
    done = run(tmp_path, config=config)
    assert done.returncode == 0, done.stderr
    store = ShardReader(next((tmp_path / "results").glob("tiles/detectors/*/maps/*.zarr.zip")))
    keys = store.keys()
    seen = {store.attributes(key).get("seen") for key in keys}
    assert seen == {None, *(path.name for path in partial[:2])}
