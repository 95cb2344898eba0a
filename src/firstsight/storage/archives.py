"""ZIP archives, the format of numpy's and torch's files: written whole, and checked for damage before they are read."""

import errno
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.replacing import replace_file


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write named arrays as an npz file without pickled objects, beside ``path`` first, then renamed."""

    def write(beside: Path) -> None:
        with open(beside, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    replace_file(path, write)


def refuse_damaged(path: Path) -> None:
    """Raise a DamagedError if a checksum in an archive does not match, or if the file is no archive at all.

    numpy checks only what it reads, and torch does not check every checksum. A missing file is a FirstsightError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    # Another job may also have noticed the damage and removed the file.
    except FileNotFoundError as error:
        raise FirstsightError(f"{str(path)!r} does not exist: run again to have it made") from error
    except Exception as error:
        if not is_damage(error):
            raise
        raise DamagedError(f"{str(path)!r} is damaged", path) from error
    if damaged:
        raise DamagedError(f"{str(path)!r} is damaged at {damaged!r}", path)


def is_damage(error: Exception) -> bool:
    """Whether reading an archive failed because of its content, not because it cannot be read at the moment."""
    # A damaged archive may give an offset before its own beginning, where seeking fails with EINVAL.
    if isinstance(error, OSError):
        return error.errno in (None, errno.EINVAL)
    return not isinstance(error, MemoryError)


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """The named arrays of an npz file; DamagedError if they are not what the job that wrote it stored."""
    refuse_damaged(path)
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in names]
