"""What is given in place of a collection of images, and what a person is told."""

from pathlib import Path

import pytest

from firstsight.collections.readers import list_images
from firstsight.errors import FirstsightError


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("a.JPG", "a.JPG is a single image: give the folder that it lies in"),
        ("a.tar.gz", "a.tar.gz is an archive: unpack it, and give the folder"),
        ("a.mp4", "a.mp4 is a video: cut each into images"),
        ("a.txt", "neither a folder, a sheet"),
    ],
)
def test_a_file_is_told_by_its_ending(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).write_bytes(b"?")
    with pytest.raises(FirstsightError, match=line):
        list_images(tmp_path / file)


@pytest.mark.parametrize(
    ("files", "line"),
    [
        (["a.mp4", "below/b.MOV", "c.txt"], r"\(looked for .*; 1 .mov file cannot be read: films: .*; 1 .mp4 file"),
        (["a.zip", "c.txt"], r"\(looked for .*; 1 .zip file cannot be read: archives: unpack them"),
        (["c.txt"], r"\(looked for .*.bmp"),
    ],
)
def test_a_folder_is_told_by_what_it_holds(tmp_path: Path, files: list[str], line: str) -> None:
    (tmp_path / "below").mkdir()
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(FirstsightError, match=f"no images in {tmp_path} {line}"):
        list_images(tmp_path)
