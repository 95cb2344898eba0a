"""Files that are whole under their names: written beside, flushed, then renamed.

To flush a file and its folder takes some milliseconds on a local disk, more on a network's: little for what a job
leaves, a few files; too much for each of the thousands of pictures in a folder, which `replace_folder` replaces as one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from firstsight.storage.locks import locked_folder


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file beside ``path``, and rename it there; where that fails, nothing of it is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Another process may be writing the same.
    beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        write(beside)
        move_into_place(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def move_into_place(written: Path, path: Path) -> None:
    """Rename a file so that, whenever power is cut, ``path`` is what it was before or all that was written."""
    _flush(written)
    os.replace(written, path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Force a file, or the entries of a folder, onto the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def replace_folder(folder: Path) -> Iterator[Path]:
    """Give a folder beside ``folder`` to write into, and let it take that name when all is written.

    Raises:
        FirstsightError: another process is writing the same.
    """
    partial = folder.with_name(f"{folder.name}.partial")
    with locked_folder(partial):
        for left in partial.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(partial, folder)
