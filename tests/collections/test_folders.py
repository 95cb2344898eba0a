"""What lies among the images of a pile and is none of them is never looked at."""

from pathlib import Path

import pytest

from firstsight.collections.folders import made_by_the_run, walk_files

IMAGES = frozenset({".png"})


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder: Path) -> list[str]:
    return sorted(file.relative for file in walk_files(folder, IMAGES))


@pytest.mark.parametrize(
    "folder",
    [
        "@eaDir/0.png",
        "#recycle",
        ".thumbnails",
        "$RECYCLE.BIN/S-1-5",
        "System Volume Information",
        "__MACOSX",
        "@Recycle",
    ],
)
def test_what_others_leave_in_a_folder_is_no_image(tmp_path: Path, folder: str) -> None:
    touch(tmp_path, "0.png", "deep/1.png", "Thumbs.db", "._0.png", f"{folder}/2.png", f"deep/{folder}/3.png")
    assert found(tmp_path) == ["0.png", "deep/1.png"]
    assert found(tmp_path / folder) == ["2.png"], "unless it is asked for"


def test_the_results_of_any_run_are_no_images(tmp_path: Path) -> None:
    touch(tmp_path, "0.png", "whole/logs/a.png", "whole/tables/images.parquet", "whole/reports/b.png")
    touch(tmp_path, "cut/logs/tables.log", "cut/tiles/shards/0123456789/members.json", "cut/tiles/detectors/o.png")
    touch(tmp_path, "one/shards/0123456789/members.json", "one/features/x", "one/detectors/p.png")
    touch(tmp_path, "logs/of_a_camera.png", "tables/oak.png", "shards/of_glass.png", "features/1.png")
    assert found(tmp_path) == [
        "0.png",
        "features/1.png",
        "logs/of_a_camera.png",
        "shards/of_glass.png",
        "tables/oak.png",
    ]


def test_what_the_run_itself_makes_is_none_before_it_is_complete(tmp_path: Path) -> None:
    pile, names = tmp_path / "pile", {"tiles"}
    is_made = made_by_the_run(pile, pile / "deep/results", names)
    assert is_made(pile / "deep/results/other/images/0.png")
    assert not is_made(pile / "deep/results.png")
    assert not is_made(pile / "reports/0.png")
    is_made = made_by_the_run(pile, tmp_path / "elsewhere", names)
    assert not is_made(pile / "reports/0.png")
    is_made = made_by_the_run(pile, pile, names)
    assert is_made(pile / "reports/0.png")
    assert is_made(pile / "tiles/detectors/fca/overlays/0.png")
    assert not is_made(pile / "tiles/0.png")
    assert not is_made(pile / "shards/0.png")
    assert not is_made(pile / "0.png")
    is_made = made_by_the_run(tmp_path / "pile/tiles", pile, names)
    assert is_made(pile / "tiles/detectors/0.png")
    assert not is_made(pile / "tiles/test/0.png")
    overlays = tmp_path / "pile/tiles/detectors/fca/overlays"
    assert not made_by_the_run(overlays, pile, names)(overlays / "0.png"), "who asks for them gets them"


def test_links_do_not_hide_where_results_lie(tmp_path: Path) -> None:
    touch(tmp_path, "pile/results/0.png")
    (tmp_path / "link").symlink_to("pile")
    assert made_by_the_run(tmp_path / "link", tmp_path / "pile/results", ())(tmp_path / "link/results/0.png")
