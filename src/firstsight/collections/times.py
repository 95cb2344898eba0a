"""When images were taken: what a sheet says, or when their files were last written."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

UNREAD_TIME = "its time in the sheet is neither a date (2026-03-01) nor a time (2026-03-01 14:30)"
"""Remark on an image."""


def read_time(cell: str) -> datetime | None:
    """The time that a cell of a sheet names in the form of ISO 8601, without a zone; None if it names none.

    A date is its first moment. A time with an offset from UTC becomes that of UTC, another one stays as it is.
    """
    try:
        time = datetime.fromisoformat(cell.strip())
        return time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def last_written(files: Iterable[Path]) -> datetime | None:
    """When the last of the files was written, in UTC, to the second; None where that cannot be known."""
    try:
        seconds = max(os.stat(file).st_mtime_ns // 10**9 for file in files)
        return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    except (OSError, OverflowError, ValueError):
        return None
