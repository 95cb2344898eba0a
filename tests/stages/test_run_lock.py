"""One run at a time writes into results; the locks of one that was killed are opened, those of others stay."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.stages import run_lock
from firstsight.stages.run_lock import NOTES, RunLock, open_locks, running_in

HOLD = """
import pathlib, time
from firstsight.stages.run_lock import RunLock
lock = RunLock(pathlib.Path("out"))
lock.begin()
print("has it", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run_lock, "WAIT_SECONDS", 0.2)
    (NOTES / "locks").mkdir(parents=True)


def snakemake_locks(**files: str) -> None:
    for name, text in files.items():
        (NOTES / f"locks/{name}.lock").write_text(text)


def locks_left() -> set[str]:
    return {path.stem for path in (NOTES / "locks").iterdir()}


def test_a_killed_run_keeps_nobody_out() -> None:
    snakemake_locks(a="out/tables/runs.parquet\nout/x\n", b="other/out/x\n", c="outer/x\n")
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "has it\n"
        try:
            assert running_in(Path("out")) == f"process {process.pid} on {os.uname().nodename}"
            mine = RunLock(Path("out"))
            mine.look()
            assert locks_left() == {"a", "b", "c"}
            with pytest.raises(FirstsightError, match=f"another run is writing into out .process {process.pid} on"):
                mine.begin()
            mine.end()
            assert running_in(Path("out")) == f"process {process.pid} on {os.uname().nodename}"
            RunLock(Path("other")).begin()
        finally:
            process.kill()
    assert running_in(Path("out")) is None
    mine.look()
    assert locks_left() == {"b", "c"}
    mine.end()
    assert json.loads(Path("out/.run.lock").read_bytes()) == {}
    mine.begin()
    assert json.loads(Path("out/.run.lock").read_bytes())["process"] == os.getpid()


def test_locks_of_a_run_on_another_machine_stay() -> None:
    snakemake_locks(a="out/x\n")
    Path("out").mkdir()
    Path("out/.run.lock").write_text('{"process": 7, "machine": "elsewhere"}')
    RunLock(Path("out")).look()
    assert locks_left() == {"a"}


def test_a_look_makes_nothing() -> None:
    RunLock(Path("out")).look()
    assert not Path("out").exists()
    assert running_in(Path("out")) is None


def test_locks_in_a_database_are_opened_too() -> None:
    with sqlite3.connect(NOTES / "metadata.db") as connection:
        connection.execute("CREATE TABLE snakemake_locks (file_path TEXT)")
        connection.executemany("INSERT INTO snakemake_locks VALUES (?)", [("out/x",), ("outer/x",)])
    open_locks(NOTES, Path("out"))
    assert connection.execute("SELECT file_path FROM snakemake_locks").fetchall() == [("outer/x",)]
    connection.close()


def test_a_note_that_cannot_be_read_counts_as_none() -> None:
    snakemake_locks(a="out/x\n")
    Path("out").mkdir()
    Path("out/.run.lock").write_bytes(b"\xff[")
    RunLock(Path("out")).look()
    assert locks_left() == set()
