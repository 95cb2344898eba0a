"""Files and folders appear whole under their names, or not at all."""

import os
from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.storage.replacing import replace_file, replace_folder


def test_a_file_is_replaced_only_when_all_is_written(tmp_path: Path) -> None:
    path = tmp_path / "new/folder/a"

    def fail(beside: Path) -> None:
        beside.write_text("half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        replace_file(path, fail)
    assert list(path.parent.iterdir()) == []
    replace_file(path, lambda beside: beside.write_text("1"))
    with pytest.raises(ZeroDivisionError):
        replace_file(path, fail)
    assert path.read_text() == "1"
    replace_file(path, lambda beside: beside.write_text("2"))
    assert path.read_text() == "2"
    assert list(path.parent.iterdir()) == [path]


def test_a_writer_that_makes_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "a", lambda beside: None)
    assert (tmp_path / "a").read_text() == "1"


def cut_off(folder: Path) -> None:
    with replace_folder(folder) as partial:
        (partial / "b").write_text("2")
        raise ZeroDivisionError


def test_a_folder_is_replaced_only_when_all_is_written(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with replace_folder(folder) as partial:
        (partial / "a").write_text("1")
        assert not folder.exists()
    with pytest.raises(ZeroDivisionError):
        cut_off(folder)
    assert [path.name for path in folder.iterdir()] == ["a"]
    with replace_folder(folder) as partial:
        (partial / "c").write_text("3")
    assert [path.name for path in folder.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [folder]


def test_what_an_earlier_writer_left_is_not_taken_over(tmp_path: Path) -> None:
    left = tmp_path / "out.partial"
    (left / "folder").mkdir(parents=True)
    (left / "file").touch()
    (left / "link").symlink_to(tmp_path)
    with replace_folder(tmp_path / "out") as partial:
        assert list(partial.iterdir()) == []
    assert tmp_path.is_dir()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def test_a_second_writer_of_the_same_folder_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstsight.storage.locks.LOCK_SECONDS", 0)
    with replace_folder(tmp_path / "out") as partial:
        (partial / "a").touch()
        with pytest.raises(FirstsightError, match="another process is writing"), replace_folder(tmp_path / "out"):
            pass
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    sync, rename = os.fsync, os.replace

    def noted_sync(handle: int) -> None:
        steps.append(f"sync {Path(os.readlink(f'/proc/self/fd/{handle}')).name.partition('.')[0]}")
        sync(handle)

    def noted_rename(written: Path, path: Path) -> None:
        steps.append("rename")
        rename(written, path)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_rename)
    (tmp_path / "folder").mkdir()
    replace_file(tmp_path / "folder/file.txt", lambda path: path.write_text("whole"))
    assert steps == ["sync file", "rename", "sync folder"]
