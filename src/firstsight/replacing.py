"""Files that are whole under their names: written beside, then renamed."""

import os
from collections.abc import Callable
from pathlib import Path


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
