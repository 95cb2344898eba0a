"""Zip archives, as which numpy and torch write their files: written whole, and whether they still are what was."""

import errno
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.replacing import replace_file


def write_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write arrays by name beside ``path`` and rename them there, as npz without pickled objects."""

    def write(beside: Path) -> None:
        with open(beside, "wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

    replace_file(path, write)


def refuse_damaged(path: Path) -> None:
    """Raise a DamagedError where a checksum in an archive does not fit, or where it is no archive at all.

    Neither numpy, of what it does not read, nor torch looks at all of them. One that is not there is a FirstsightError.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    # Another job may have found it damaged, too, and taken it away.
    except FileNotFoundError as error:
        raise FirstsightError(f"{str(path)!r} does not exist: run again to have it made") from error
    except Exception as error:
        if not is_damage(error):
            raise
        raise DamagedError(f"{str(path)!r} is damaged", path) from error
    if damaged:
        raise DamagedError(f"{str(path)!r} is damaged at {damaged!r}", path)


def is_damage(error: Exception) -> bool:
    """Whether reading an archive failed because of what is in it, and not since it cannot be read now."""
    # A damaged archive may point to places before its beginning, where no file can be read (EINVAL).
    if isinstance(error, OSError):
        return error.errno in (None, errno.EINVAL)
    return not isinstance(error, MemoryError)


def read_arrays(path: Path, *names: str) -> list[NDArray[Any]]:
    """Arrays of an npz file that another job wrote; DamagedError where they are not what it wrote."""
    refuse_damaged(path)
    with np.load(path, allow_pickle=False) as stored:
        return [stored[name] for name in names]
