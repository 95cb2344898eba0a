"""Results with a time in the future get the present one, others keep theirs."""

import os
from pathlib import Path

from firstsight.stages.clock import TIMESTAMP, bring_to_present

NOW = 1_700_000_000.0


def made_at(path: Path, time: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (time, time))
    return path


def test_only_what_is_ahead_is_brought_back(tmp_path: Path) -> None:
    ahead = [made_at(tmp_path / "a/run.json", NOW + 3600), made_at(tmp_path / f"a/b.zarr/{TIMESTAMP}", NOW + 61)]
    others = {
        made_at(tmp_path / "a/old.json", NOW - 1e9): NOW - 1e9,
        made_at(tmp_path / "a/other_machine.json", NOW + 59): NOW + 59,
        # What is inside a result does not count.
        made_at(tmp_path / "a/b.zarr/zarr.json", NOW + 3600): NOW + 3600,
    }
    (tmp_path / "a/broken").symlink_to(tmp_path / "nowhere")
    assert bring_to_present(tmp_path, NOW) == 2
    assert [path.stat().st_mtime for path in ahead] == [NOW, NOW]
    assert {path: path.stat().st_mtime for path in others} == others
    assert bring_to_present(tmp_path, NOW) == 0


def test_before_the_first_run_there_is_nothing(tmp_path: Path) -> None:
    assert bring_to_present(tmp_path / "results", NOW) == 0
