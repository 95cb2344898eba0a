"""A folder that one process at a time writes in."""

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
    """Make a folder and keep other processes out of it until the block ends or this process is gone.

    A killed process may take a moment to be gone, so a lock that is held is tried again for some seconds. In the block
    the folder may be renamed or taken away.

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
            # Some network file systems have no locks for folders: there the workflow alone keeps writers apart.
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return handle
            os.close(handle)
            if time.monotonic() > deadline:
                raise FirstsightError(f"another process is writing {str(folder)!r}: wait for it, or stop it") from error
            time.sleep(0.1)
            continue
        # The writer before may have taken the folder away between opening and locking it.
        if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)
