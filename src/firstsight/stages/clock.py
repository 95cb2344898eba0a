"""Results whose time lies in the future, left by a clock that was wrong and has been set right."""

import os
from collections.abc import Iterator
from pathlib import Path

TIMESTAMP = ".snakemake_timestamp"
"""Snakemake's file in a folder that a rule made; its time counts as the time of the folder."""
TOLERANCE = 60.0
"""Seconds; the clocks of the machines of a cluster differ by less than this."""


def bring_to_present(results: Path, now: float) -> int:
    """Set the time of every result that lies in the future to the present.

    Snakemake accepts no output that is older than its input, so nothing could be made from such a result until its time
    had come.

    Args:
        results: folder of everything a run makes.
        now: the present, in seconds.

    Returns:
        How many results were changed.
    """
    changed = 0
    for path in _results(str(results)):
        if os.stat(path).st_mtime > now + TOLERANCE:
            os.utime(path, (now, now))
            changed += 1
    return changed


def _results(folder: str) -> Iterator[str]:
    """The files below ``folder``; of a folder that a rule made, only its time stamp."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    stamp = next((entry.path for entry in entries if entry.name == TIMESTAMP), None)
    if stamp is not None:
        yield stamp
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _results(entry.path)
        elif not entry.is_symlink():
            yield entry.path
