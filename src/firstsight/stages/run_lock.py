"""One run at a time writes into a folder of results, and one that was killed keeps no other out."""

import errno
import fcntl
import json
import os
import platform
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from firstsight.errors import FirstsightError
from firstsight.plan.paths import paths_below

WAIT_SECONDS = 10.0
"""So long a run waits for another that is about to end."""

NOTES = Path(".snakemake")
"""Where Snakemake keeps its own locks, below the folder in which it is started."""


class RunLock:
    """The lock of this process on a folder of results, which the system opens when the process ends, in whatever way.

    Snakemake's own locks stay when it is killed, and know nothing of runs that were started in another folder.
    """

    def __init__(self, results: Path) -> None:
        self._results = results
        self._handle: int | None = None

    def look(self) -> None:
        """Take the results if they are there and nobody has them; then open what a killed run has left locked."""
        with suppress(FirstsightError):
            if not self._results.is_dir() or not self._take():
                return
            # Some file systems do not show whether a run on another machine is still going on.
            if _note(self._results).get("machine", platform.node()) == platform.node():
                open_locks(NOTES, self._results)

    def begin(self) -> None:
        """Take the results, and note which process has them.

        Raises:
            FirstsightError: another run has them, or they cannot be written to.
        """
        self._results.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + WAIT_SECONDS
        while self._handle is None and not self._take():
            if time.monotonic() > deadline:
                other = running_in(self._results)
                raise FirstsightError(f"another run is writing into {self._results} ({other}): wait for it, or stop it")
            time.sleep(0.1)
        self._write({"process": os.getpid(), "machine": platform.node()})

    def end(self) -> None:
        """Note that no run has them any more; nothing is noted where another process has them."""
        if self._handle is not None:
            self._write({})

    def _take(self) -> bool:
        try:
            handle = os.open(_file(self._results), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise FirstsightError(f"{error.filename} cannot be written to: {error.strerror}") from None
        if _locked_by_another(handle):
            os.close(handle)
            return False
        self._handle = handle
        return True

    def _write(self, note: dict[str, Any]) -> None:
        assert self._handle is not None
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(note).encode(), 0)


def running_in(results: Path) -> str | None:
    """The run that has a folder of results, in words; None where there is none."""
    try:
        handle = os.open(_file(results), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if not _locked_by_another(handle):
            return None
    finally:
        os.close(handle)
    note = _note(results)
    return f"process {note['process']} on {note['machine']}" if note else "which has only just begun"


def open_locks(notes: Path, results: Path) -> None:
    """Open the locks of Snakemake on files below a folder of results, as its runs name them.

    Args:
        notes: Snakemake's folder, in which the files of its locks or its database lie.
        results: as the config has it.
    """
    below = f"{results.as_posix()}/"
    for lock in (notes / "locks").glob("*.lock"):
        with suppress(OSError):
            if any(line.startswith(below) for line in lock.read_text(encoding="utf-8").splitlines()):
                lock.unlink()
    database = notes / "metadata.db"
    if database.is_file():
        # A database in which no run has locked anything has no such table.
        with suppress(sqlite3.OperationalError), closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("DELETE FROM snakemake_locks WHERE instr(file_path, ?) = 1", (below,))


def _file(results: Path) -> str:
    return paths_below(results).run_lock


def _locked_by_another(handle: int) -> bool:
    """Lock a file for this process; whether another has it. A file system that has no locks says no."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in (errno.EWOULDBLOCK, errno.EACCES)
    return False


def _note(results: Path) -> dict[str, Any]:
    try:
        note = json.loads(Path(_file(results)).read_bytes())
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}
