"""One process at a time writes in a folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.storage.locks import locked_folder

HOLD = """
import sys
from pathlib import Path
from firstsight.storage.locks import locked_folder
with locked_folder(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_made_and_may_be_taken_away_or_renamed(tmp_path: Path) -> None:
    folder = tmp_path / "new/folder"
    with locked_folder(folder):
        assert folder.is_dir()
        folder.rename(tmp_path / "renamed")
    with locked_folder(folder):
        folder.rmdir()
    with locked_folder(folder):
        assert folder.is_dir()


def test_a_block_that_fails_lets_go_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstsight.storage.locks.LOCK_SECONDS", 0)
    with pytest.raises(ZeroDivisionError), locked_folder(tmp_path / "a"):
        raise ZeroDivisionError
    with locked_folder(tmp_path / "a"), locked_folder(tmp_path / "b"):
        assert (tmp_path / "a").is_dir()


def test_another_process_is_kept_out_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a"
    line = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        with monkeypatch.context() as context:
            context.setattr("firstsight.storage.locks.LOCK_SECONDS", 0)
            with pytest.raises(FirstsightError, match=r"another process is writing '.*a': wait for it, or stop it"):
                locked_folder(folder).__enter__()
        holder.send_signal(signal.SIGKILL)
    with locked_folder(folder):
        assert os.listdir(folder) == []
