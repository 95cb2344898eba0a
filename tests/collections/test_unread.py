"""Files that cannot be read are counted by suffix, with what to do."""

from pathlib import Path

import pytest

from firstsight.collections import unread
from firstsight.collections.readers import list_images
from firstsight.collections.unread import ADVICE, MORE_FORMATS, Format, count_unread, tell_unread, unread_rows
from firstsight.errors import FirstsightError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_counted_by_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "0.png", "notes.txt", "b.CR2", "deep/a.cr2", "film.mp4", "all.zip", "@eaDir/x.pdf", "scan.pdf.png")
    touch(tmp_path, "Thumbs.db", "labels.csv")
    counted = count_unread(tmp_path)
    assert [(each.suffix, each.count, each.example) for each in counted] == [
        (".cr2", 2, "b.CR2"),
        (".mp4", 1, "film.mp4"),
        (".zip", 1, "all.zip"),
    ]
    assert tell_unread(counted)[0].startswith("2 .cr2 files cannot be read: raw files of a camera: develop them")
    assert tell_unread(counted)[2] == "1 .zip file cannot be read: archives: unpack them"
    assert unread_rows("tiles", counted)[1] | {"advice": ""} == {
        "collection": "tiles",
        "suffix": ".mp4",
        "n_files": 1,
        "example": "film.mp4",
        "advice": "",
    }
    assert count_unread(tmp_path / "0.png") == ()


def test_a_format_counts_where_nothing_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "0.heic", "1.HEIC")
    monkeypatch.setitem(unread.MORE_FORMATS, ".heic", Format(lambda: True, "install it"))
    assert count_unread(tmp_path) == ()
    monkeypatch.setitem(unread.MORE_FORMATS, ".heic", Format(lambda: False, "install it"))
    assert tell_unread(count_unread(tmp_path)) == ["2 .heic files cannot be read: install it"]


def test_a_folder_without_an_image_says_what_is_there(tmp_path: Path) -> None:
    touch(tmp_path, "0.nef", "1.nef", "2.mov")
    with pytest.raises(
        FirstsightError, match=r"no images in .*; 2 \.nef files cannot be read: .*; 1 \.mov file cannot"
    ):
        list_images(tmp_path)


def test_no_suffix_is_both_read_and_not() -> None:
    assert not {suffix.removeprefix(".") for suffix in MORE_FORMATS} & set(ADVICE)
