"""Names of files: readable where they can be, never outside the folder, no two images in one file."""

from pathlib import PurePosixPath

import pytest

from firstsight.reports.exports.findings import file_of

ODD = [
    "../up.png",
    "a/../../up.png",
    "./a.png",
    "/etc/passwd",
    "a//b.png",
    "",
    ".hidden",
    "c:\\x.png",
    "a\\..\\b.png",
    "line\nbreak.png",
    "null\0.png",
    "dot./a.png",
    " space.png",
    "star*.png",
    "x" * 201,
    "é" * 101,
    "folder.png/a.png",
    "FOLDER.PNG/a.png",
    "lone\udce9.png",
]


@pytest.mark.parametrize(
    "image", ["a.png", "crack/019.jpg", "images/00017", "é ü/名.tif", "a (row 3)", "v1.2/a-b_c.png"]
)
def test_a_plain_name_is_kept(image: str) -> None:
    assert file_of(image, ".png") == f"{image}.png"


@pytest.mark.parametrize("image", ODD)
def test_an_odd_name_becomes_one_plain_name(image: str) -> None:
    path = PurePosixPath(file_of(image, ".png"))
    assert len(path.parts) == 1
    assert path.suffix == ".png"
    assert path.name.isascii()
    assert len(path.name) <= 255


def test_no_two_share_a_file() -> None:
    names = [*ODD, "up.png", "a.png", "A.png", "a.jpg", "a", "b/a"]
    assert len({file_of(name, ".png") for name in names}) == len(names)
