"""Folders that only one process may write to at a time."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstsight.errors import FirstsightError

LOCK_SECONDS = 10.0


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Make a folder and keep other processes out of it until the block ends or this process dies.

    A killed process may take a moment to disappear, so a lock that another process holds is retried for
    `LOCK_SECONDS`. The block may rename or remove the folder.

    Raises:
        FirstsightError: another process is writing there.
    """
    handle = _lock(folder)
    try:
        yield
    finally:
        os.close(handle)


def _lock(folder: Path) -> int:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems cannot lock folders: there only the workflow keeps writers apart.
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return handle
            os.close(handle)
            if time.monotonic() > deadline:
                raise FirstsightError(f"another process is writing {str(folder)!r}: wait for it, or stop it") from error
            time.sleep(0.1)
            continue
        # The previous writer may have removed the folder after it was opened here and before it was locked.
        if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)
