"""The pictures of a shard in few files: each is found again, in Python and (test_page_browser) by the page."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.overlays import Layers
from firstsight.reports.picture_files import (
    GROUPS,
    PLACES,
    file_of_picture,
    name_in_files,
    picture_files,
    read_picture,
)

NAMES = [f"kind {number % 3}/{number}.png" for number in range(60)] + ['</script>"é.png', "caf\udce9.png"]


def layers(number: int) -> Layers:
    shade = 4 * number
    return Layers(
        overlay=Image.new("RGB", (48, 32), (shade, 0, 0)),
        picture=Image.new("RGB", (48, 32), (0, shade, 0)),
        lines=Image.new("RGBA", (48, 32), (0, 0, shade, 255)),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with picture_files(tmp_path / "shard") as files:
        for number, name in enumerate(NAMES):
            files.add(name, layers(number))
    return tmp_path / "shard"


def test_there_are_few_files_and_every_picture_is_in_one(folder: Path) -> None:
    files = {path.name for path in folder.iterdir()}
    assert len(files) == 2 * GROUPS <= 30
    for number, name in enumerate(NAMES):
        expected = layers(number)
        for layer, place in PLACES.items():
            with Image.open(BytesIO(read_picture(folder, name, layer))) as picture:
                assert (picture.format or "").lower() == place.type
                drawn = expected.overlay if layer == "thumbnail" else getattr(expected, layer)
                found = np.asarray(picture.convert("RGB").resize((1, 1))).astype(int)
                assert np.abs(found - np.asarray(drawn.convert("RGB").resize((1, 1)))).max() <= 6


def test_files_are_scripts_of_one_call_in_ascii(folder: Path) -> None:
    for path in folder.iterdir():
        text = path.read_text(encoding="ascii")
        assert re.fullmatch(r'firstsight\.pictures\(\{(\n"[\w-]+":\[("[A-Za-z0-9+/=]+"(, )?)+\],?)+\n\}\);\n', text)


def test_the_same_pictures_give_the_same_files(folder: Path, tmp_path: Path) -> None:
    with picture_files(tmp_path / "again") as files:
        for number, name in enumerate(NAMES):
            files.add(name, layers(number))
    for path in folder.iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_what_is_missing_or_damaged_is_named(folder: Path) -> None:
    with pytest.raises(FirstsightError, match=r"the page needs the picture of 'absent\.png', which is not in .*\.js"):
        read_picture(folder, "absent.png", "lines")
    path = folder / file_of_picture(NAMES[0], "overlay")
    text = path.read_text(encoding="ascii")
    path.write_text(text.replace(f'"{name_in_files(NAMES[0])}":[', f'"{name_in_files(NAMES[0])}":{{'))
    with pytest.raises(FirstsightError, match="is damaged"):
        read_picture(folder, NAMES[0], "overlay")
    path.unlink()
    with pytest.raises(FirstsightError, match=f"the page needs the pictures in .*{path.name}"):
        read_picture(folder, NAMES[0], "overlay")
