"""Stage share: the whole page with its pictures, in one archive to hand on."""

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from firstsight.stages.job import Job
from firstsight.storage.replacing import replace_file

TOP = "firstsight"
"""The folder that the archive unpacks to."""

_COMPRESSED = frozenset({".html", ".js", ".css"})
# The earliest that a ZIP archive can hold: the same page gives the same archive.
_DATE = (1980, 1, 1, 0, 0, 0)


def zip_page(*, parts: Sequence[Path], results: Path, output: Path, job: Job) -> None:
    """Write the page into a ZIP archive, from which it opens as it does from the results.

    Args:
        parts: files and folders of the page: itself, its data, legends and overlays.
        results: the folder of results, below which all parts lie.
        output: the archive to make. In it, everything is in the folder ``firstsight``, where it was in the results.
    """
    files = sorted({file for part in parts for file in _files_of(part)})

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for file in job.progress(files, len(files)):
                entry = zipfile.ZipInfo(f"{TOP}/{file.relative_to(results).as_posix()}", _DATE)
                entry.external_attr = 0o644 << 16
                # Pictures are compressed already.
                entry.compress_type = zipfile.ZIP_DEFLATED if file.suffix in _COMPRESSED else zipfile.ZIP_STORED
                archive.writestr(entry, file.read_bytes())

    with job.step("archive"):
        replace_file(output, write)


def _files_of(part: Path) -> Iterator[Path]:
    """The files in a folder, at any depth, or the file itself."""
    if part.is_dir():
        yield from (path for path in part.rglob("*") if path.is_file() and not path.name.startswith("."))
    else:
        yield part
