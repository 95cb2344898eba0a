"""Normal images told from those that are searched."""

import os
from pathlib import Path

import pytest

from firstsight.collections.readers import list_folder
from firstsight.collections.references import part_references
from firstsight.errors import FirstsightError


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def part(pile: Path, reference: Path) -> tuple[list[str], list[str]]:
    searched, references = part_references(list_folder(pile), reference=reference, path=pile, layout="folder")
    return [file.image for file in searched], [file.image for file in references]


def test_a_reference_folder_inside_the_collection_is_not_searched(tmp_path: Path) -> None:
    pile = touch(tmp_path / "pile", "a.png", "good/b.png", "good/deep/c.png", "goods/d.png")
    assert part(pile, pile / "good") == (["a.png", "goods/d.png"], ["reference/b.png", "reference/deep/c.png"])


def test_links_to_an_image_are_that_image(tmp_path: Path) -> None:
    pile, good = touch(tmp_path / "pile", "a.png", "b.png", "c.png"), touch(tmp_path / "good", "x.png")
    (good / "soft.png").symlink_to(pile / "a.png")
    os.link(pile / "b.png", good / "hard.png")
    (good / "dead.png").symlink_to(tmp_path / "nowhere.png")
    expected = ["reference/dead.png", "reference/hard.png", "reference/soft.png", "reference/x.png"]
    assert part(pile, good) == (["c.png"], expected)


def test_without_a_reference_everything_is_searched(tmp_path: Path) -> None:
    files = list_folder(touch(tmp_path / "pile", "a.png", "train/good/b.png"))
    found = part_references(files, reference=None, path=tmp_path / "pile", layout="folder")
    assert found == (files, ())


def test_nothing_left_to_search_is_refused(tmp_path: Path) -> None:
    pile = touch(tmp_path / "pile", "a.png")
    with pytest.raises(FirstsightError, match="every image of the collection is a reference image"):
        part(pile, pile)
