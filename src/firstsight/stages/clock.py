"""Results from the future, as a clock leaves them that was wrong and is right again."""

import os
from collections.abc import Iterator
from pathlib import Path

TIMESTAMP = ".snakemake_timestamp"
"""The file that bears the time of a folder which a rule makes."""


def bring_to_present(results: Path, now: float, tolerance: float = 60.0) -> int:
    """Give every result that bears a time in the future the present one.

    Snakemake takes no output that is older than its input, so nothing could be made from such a result until its time
    has come.

    Args:
        results: folder of everything a run makes.
        now: the present, in seconds.
        tolerance: clocks of the machines of a cluster differ by less than this, in seconds.

    Returns:
        How many results there were.
    """
    found = 0
    for path in _results(str(results)):
        if os.stat(path).st_mtime > now + tolerance:
            os.utime(path, (now, now))
            found += 1
    return found


def _results(folder: str) -> Iterator[str]:
    """Files, and of a folder that a rule made its time stamp only, below ``folder``."""
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
