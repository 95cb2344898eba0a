"""Walking a folder of images: what is looked at, and what lies there that is none of the images."""

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from firstsight.errors import FirstsightError

FOREIGN_FOLDERS = frozenset(
    {
        # Thumbnails, waste and snapshots of network storage (Synology, QNAP, NetApp).
        *("@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@__thumb", "@tmp", "~snapshot"),
        # Waste and bookkeeping of Windows, macOS and Linux.
        *("$recycle.bin", "recycler", "system volume information", "__macosx", "lost+found"),
        # Thumbnails of web editors and of cameras.
        *("_vti_cnf", "_thumbnails"),
    }
)
"""Folders that hold no images of the pile, in lower case; so do all whose name begins with a dot."""


@dataclass(frozen=True)
class ListedFile:
    """A file, or a folder that cannot be opened, below the folder that was walked."""

    relative: str
    """Path relative to the folder walked, with `/` between its parts."""
    path: Path
    problem: str | None


def walk_files(folder: Path, suffixes: Collection[str]) -> Iterator[ListedFile]:
    """Files with one of these suffixes (lower case) at any depth below a folder, in no order.

    Links are followed, except to a folder that contains them. Hidden names (`.x`), `FOREIGN_FOLDERS` and the results of
    a run are not entered, unless the folder itself is one.

    Raises:
        FirstsightError: the folder itself cannot be opened.
    """
    pending: list[tuple[str, str, frozenset[tuple[int, int]]]] = [(str(folder), "", frozenset())]
    while pending:
        path, relative, ancestors = pending.pop()
        try:
            status = os.stat(path)
            identity = (status.st_dev, status.st_ino)
            if identity in ancestors:
                continue
            with os.scandir(path) as scan:
                entries = list(scan)
        except OSError as error:
            if not relative:
                raise FirstsightError(f"cannot open the folder {printable(path)}: {error.strerror}") from None
            yield ListedFile(relative[:-1], Path(path), f"folder cannot be opened: {error.strerror}")
            continue
        if relative and _holds_results(Path(path), {entry.name for entry in entries}):
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            # For a link to itself entry.is_dir raises, while os.path.isdir returns False.
            if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
                if entry.name.lower() not in FOREIGN_FOLDERS:
                    pending.append((entry.path, f"{relative}{entry.name}/", ancestors | {identity}))
            elif os.path.splitext(entry.name)[1].lower() in suffixes:
                problem = None
                if entry.is_symlink() and not os.path.exists(entry.path):
                    problem = "no such file"
                elif not (os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()):
                    problem = "not a file"
                yield ListedFile(relative + entry.name, Path(entry.path), problem)


def made_by_the_run(folder: Path, results: Path, collections: Collection[str]) -> Callable[[Path], bool]:
    """A function that says whether a file below a folder of images is one that the run makes, and none to search.

    All below the results is, where they lie below the folder. Where the folder lies in them, or is the same, only what
    a run with these collections makes there.
    """
    place, made = folder.resolve(), results.resolve()
    if place in made.parents:
        below = folder / made.relative_to(place)
        return lambda path: below in path.parents
    if place != made and made not in place.parents:
        return lambda path: False
    parts = place.relative_to(made).parts

    def is_made(path: Path) -> bool:
        whole = (*parts, *path.relative_to(folder).parts)
        return whole[0] in RESULTS_OF_ALL or (whole[0] in collections and whole[1] in RESULTS_OF_ONE)

    # Who asks for the pictures that a run made gets them.
    return is_made if len(parts) <= 1 else lambda path: False


RESULTS_OF_ALL = frozenset({"tables", "exports", "logs", "reports"})
"""Folders of results that belong to no collection."""

RESULTS_OF_ONE = frozenset({"shards", "features", "detectors", "comparison", "robustness"})
"""Folders of results that each collection has."""


def _holds_results(folder: Path, names: Collection[str]) -> bool:
    """Whether a folder holds the results of a run, or of one collection of a run."""
    if "logs" in names and "tables" in names and (folder / "tables/images.parquet").is_file():
        return True
    # A run that was cut off has no tables yet.
    if "logs" in names and any(folder.glob("*/shards/*/members.json")):
        return True
    is_one = "shards" in names and ("detectors" in names or "features" in names)
    return is_one and any(folder.glob("shards/*/members.json"))


def printable(text: str | Path) -> str:
    r"""`text` with every byte that is not valid UTF-8 (a surrogate in Python's file names) escaped as `\udcXX`."""
    return str(text).encode("utf-8", "backslashreplace").decode("utf-8")
