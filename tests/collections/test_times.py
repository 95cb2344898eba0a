"""Times of images: as sheets write them, and of files."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firstsight.collections.times import last_written, read_time


@pytest.mark.parametrize(
    ("cell", "time"),
    [
        ("2026-03-01", "2026-03-01 00:00:00"),
        (" 2026-03-01 14:30 ", "2026-03-01 14:30:00"),
        ("2026-03-01T14:30:05.250000", "2026-03-01 14:30:05.250000"),
        ("2026-03-01T14:30Z", "2026-03-01 14:30:00"),
        ("2026-03-01 00:30+02:00", "2026-02-28 22:30:00"),
        ("20260301", "2026-03-01 00:00:00"),
    ],
)
def test_times_are_those_of_iso_8601(cell: str, time: str) -> None:
    assert str(read_time(cell)) == time


@pytest.mark.parametrize("cell", ["", "yesterday", "01.03.2026", "2026", "2026-13-01", "0001-01-01 00:30+02:00", "nan"])
def test_anything_else_is_no_time(cell: str) -> None:
    assert read_time(cell) is None


def test_files_have_the_time_of_the_last_write(tmp_path: Path) -> None:
    for name, seconds in (("a", 1_000_000_000), ("b", 1_500_000_000)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, seconds))
    expected = datetime.fromtimestamp(1_500_000_000, UTC).replace(tzinfo=None)
    assert last_written([tmp_path / "a", tmp_path / "b"]) == expected
    assert last_written([tmp_path / "none"]) is None
