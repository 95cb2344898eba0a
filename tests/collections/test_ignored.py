"""Which images have a mask of ignored pixels."""

from pathlib import Path

import pytest

from firstsight.collections.ignored import with_ignored
from firstsight.collections.readers import list_folder, list_sheet
from firstsight.errors import FirstsightError


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    for name in ("pile/a.png", "pile/deep/b.jpg", "pile/edge.png", "holes/deep/b.png", "holes/x.png", "holes/y.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path / "pile"


def test_a_file_is_for_all_images_and_none_of_them(pile: Path) -> None:
    found, remarks = with_ignored(list_folder(pile), pile / "edge.png")
    assert [(file.image, file.ignored) for file in found] == [
        ("a.png", pile / "edge.png"),
        ("deep/b.jpg", pile / "edge.png"),
    ]
    assert remarks == ()


def test_a_folder_has_a_file_for_an_image_and_others_are_counted(pile: Path) -> None:
    holes = pile.parent / "holes"
    found, remarks = with_ignored(list_folder(pile), holes)
    assert [file.ignored for file in found] == [None, holes / "deep/b.png", None]
    assert remarks == ("2 masks of ignored pixels fit no image: x.png, y.png",)
    found, _ = with_ignored(list_folder(pile.parent), holes / "x.png")
    assert "holes/x.png" not in {file.image for file in found}


def test_a_sheet_has_a_column_of_them(pile: Path) -> None:
    sheet = pile.parent / "sheet.csv"
    sheet.write_text("image,ignore\npile/a.png,holes/x.png\npile/deep/b.jpg,\n")
    assert [file.ignored for file in list_sheet(sheet)] == [pile.parent / "holes/x.png", None]


def test_what_is_not_there_or_fits_nothing_is_a_line(pile: Path) -> None:
    with pytest.raises(FirstsightError, match=r"^no such file or folder: .*gone$"):
        with_ignored(list_folder(pile), pile / "gone")
    with pytest.raises(FirstsightError, match=r"^no mask in .*/deep has the name of an image, such as a\.png$"):
        with_ignored(list_folder(pile)[:1], pile / "deep")
