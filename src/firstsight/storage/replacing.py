"""Files that are whole under their names: written beside, then renamed."""

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
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


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
