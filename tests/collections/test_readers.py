"""Listing collections: names only, sorted, each with an id of its own; what is wrong with one name stays with it."""

import os
from datetime import datetime
from pathlib import Path

import pandas
import pyarrow
import pyarrow.parquet
import pytest

from firstsight.collections.folders import printable
from firstsight.collections.listing import list_collection
from firstsight.collections.masks import inspect_masks
from firstsight.collections.readers import (
    ImageFile,
    list_folder,
    list_images,
    list_mvtec,
    list_sheet,
    with_missing,
)
from firstsight.collections.times import UNREAD_TIME
from firstsight.errors import FirstsightError


def touch(folder: Path, *names: str) -> None:
    """Empty files: listing must not open them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write_sheet(path: Path, **columns: list[str | None]) -> Path:
    if path.suffix.lower() == ".parquet":
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
    else:
        rows = [list(columns), *zip(*columns.values(), strict=True)]
        path.write_text("".join(",".join(cell or "" for cell in row) + "\n" for row in rows), encoding="utf-8")
    return path


def names(files: tuple[ImageFile, ...]) -> list[str]:
    return [file.image for file in files]


def problems(files: tuple[ImageFile, ...]) -> dict[str, str | None]:
    return {file.image: file.problem for file in files}


def one_line(error: pytest.ExceptionInfo[FirstsightError]) -> str:
    text = str(error.value)
    assert text
    assert "\n" not in text
    return text


def test_folder_lists_images_at_any_depth(tmp_path: Path) -> None:
    touch(tmp_path, "b.png", "a.JPG", "deep/er/b.png", "deep/c.TiFf", "w.webp", "m.bmp", "j.jpeg", "t.tif", "ä b.png")
    touch(tmp_path, "notes.txt", "png", "x.png.txt", ".hidden.png", ".folder/a.png", ".png")
    (tmp_path / "folder.png").mkdir()
    touch(tmp_path, "folder.png/in.png")
    files = list_folder(tmp_path)
    assert names(files) == sorted(
        [
            "a.JPG",
            "b.png",
            "deep/c.TiFf",
            "deep/er/b.png",
            "folder.png/in.png",
            "j.jpeg",
            "m.bmp",
            "t.tif",
            "w.webp",
            "ä b.png",
        ]
    )
    for file in files:
        assert file == ImageFile(file.image, tmp_path / file.image, None, (), None)
    assert list_images(tmp_path) == files


def test_the_same_name_in_two_folders_is_two_images(tmp_path: Path) -> None:
    touch(tmp_path, "monday/0.png", "tuesday/0.png")
    assert problems(list_folder(tmp_path)) == {"monday/0.png": None, "tuesday/0.png": None}


def test_folder_follows_links_but_not_in_circles(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "pile", tmp_path / "elsewhere"
    touch(folder, "a.png", "sub/b.png")
    touch(elsewhere, "c.png")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "itself").symlink_to("itself")
    (folder / "circle.png").symlink_to("circle.png")
    (folder / "dead.png").symlink_to("nowhere.png")
    (folder / "live.png").symlink_to("a.png")
    os.mkfifo(folder / "pipe.png")
    assert problems(list_folder(folder)) == {
        "a.png": None,
        "circle.png": "no such file",
        "dead.png": "no such file",
        "linked/c.png": None,
        "live.png": None,
        "pipe.png": "not a file",
        "sub/b.png": None,
    }


def test_a_name_that_is_not_utf8_is_set_aside(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    try:
        strange.touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    files = list_folder(tmp_path)
    assert problems(files) == {"\\udcff.png": "name is not UTF-8", "a.png": None}
    assert files[0].path == strange
    assert printable(strange).endswith("/\\udcff.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_a_folder_that_cannot_be_opened(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "closed/b.png")
    (tmp_path / "closed").chmod(0)
    try:
        assert problems(list_folder(tmp_path)) == {
            "a.png": None,
            "closed": "folder cannot be opened: Permission denied",
        }
        with pytest.raises(FirstsightError, match="cannot open the folder"):
            list_folder(tmp_path / "closed")
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_mvtec_gives_kinds(tmp_path: Path) -> None:
    touch(tmp_path, "train/good/000.png", "test/good/000.png", "test/loose.png")
    touch(tmp_path, "test/crack/000.png", "test/crack/001.JPG", "test/crack/sub/000.png", "ground_truth/crack/000.png")
    expected = {
        "test/crack/000.png": "crack",
        "test/crack/001.JPG": "crack",
        "test/crack/sub/000.png": "crack",
        "test/good/000.png": "good",
        "test/loose.png": None,
    }
    files = list_mvtec(tmp_path)
    assert files == tuple(ImageFile(image, tmp_path / image, kind, (), None) for image, kind in expected.items())
    assert list_images(tmp_path) == list_images(tmp_path, "mvtec") == files


@pytest.mark.parametrize(
    ("present", "is_mvtec"),
    [(["test/good/a.png"], True), (["test/crack/a.png", "ground_truth/crack/a.png"], True), (["test/x/a.png"], False)],
)
def test_auto_tells_mvtec_from_a_folder(tmp_path: Path, present: list[str], is_mvtec: bool) -> None:
    touch(tmp_path, *present)
    assert list_images(tmp_path) == (list_mvtec if is_mvtec else list_folder)(tmp_path)


@pytest.mark.parametrize("name", ["s.csv", "S.CSV", "s.parquet", "S.Parquet"])
def test_sheet(tmp_path: Path, name: str) -> None:
    folder, outside = tmp_path / "in", tmp_path / "out"
    touch(folder, "a.png", "sub/b.png", "a_mask.png")
    touch(outside, "c.png", "a.png")
    (folder / "folder.png").mkdir()
    rows: list[tuple[str, str | None, str | None]] = [
        ("sub/../a.png", "a_mask.png", "crack"),
        (str(folder / "sub" / "b.png"), str(outside / "gone_mask.png"), None),
        ("../out/c.png", None, "good"),
        ("gone.png", None, None),
        ("./a.png", None, "stain"),
        ("folder.png", None, None),
        (str(outside / "a.png"), None, None),
        ("", None, "good"),
    ]
    image, mask, label = (list(column) for column in zip(*rows, strict=True))
    path = write_sheet(folder / name, label=label, image=image, mask=mask)
    if path.suffix.lower() == ".csv":
        # A spreadsheet's mark of UTF-8, its line ends and its empty last row.
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b",,\r\n")
    away = outside.as_posix().lstrip("/")
    duplicate = "duplicate row in the sheet: row 6 names the image of row 2"
    expected = [
        ImageFile("a.png", folder / "a.png", "crack", (folder / "a_mask.png",), None),
        ImageFile("sub/b.png", folder / "sub" / "b.png", None, (outside / "gone_mask.png",), None),
        ImageFile(f"{away}/c.png", outside / "c.png", "good", (), None),
        ImageFile("gone.png", folder / "gone.png", None, (), "no such file"),
        ImageFile("a.png (row 6)", folder / "a.png", "stain", (), duplicate),
        ImageFile("folder.png", folder / "folder.png", None, (), "not a file"),
        ImageFile(f"{away}/a.png", outside / "a.png", None, (), None),
        ImageFile("(row 9)", folder, "good", (), "row 9 of the sheet names no image"),
    ]
    files = list_sheet(path)
    assert files == tuple(sorted(expected, key=lambda file: file.image))
    assert list_images(path) == list_images(path, "sheet") == files
    # A mask that is not there is no fault of the listing; whoever reads it says so.
    missing = next(file.masks for file in files if file.image == "sub/b.png")
    assert inspect_masks(missing, 1, 1) == ("mask cannot be read: no such file", None)


def test_a_sheet_may_name_a_folder_of_masks(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "a/1.png", "a/0.png", "a/notes.txt")
    (file,) = list_sheet(write_sheet(tmp_path / "s.csv", image=["a.png"], mask=["a"]))
    assert file.masks == (tmp_path / "a/0.png", tmp_path / "a/1.png")


@pytest.mark.parametrize("name", ["s.csv", "s.parquet"])
def test_a_sheet_may_have_times(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "a.png", "b.png", "c.png")
    path = write_sheet(tmp_path / name, image=["a.png", "b.png", "c.png"], time=["2026-03-01 14:30", "noon", None])
    assert [(file.time, file.remark) for file in list_sheet(path)] == [
        (datetime.fromisoformat("2026-03-01 14:30"), None),
        (None, UNREAD_TIME),
        (None, None),
    ]
    pandas.DataFrame({"image": ["a.png"], "time": pandas.to_datetime(["2026-03-01 14:30"])}).to_parquet(path)
    if path.suffix == ".parquet":
        assert list_sheet(path)[0].time == datetime.fromisoformat("2026-03-01 14:30"), "of the type of times"


def test_ids_in_a_sheet_stay_unique(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "s.csv", image=["a.png", "a.png", "a.png (row 3)", "a.png", "/"])
    files = list_sheet(path)
    assert len(set(names(files))) == 5
    assert not [name for name in names(files) if name.startswith(("/", ".."))]


def test_cells_that_name_no_file(tmp_path: Path) -> None:
    path = write_sheet(tmp_path / "s.csv", image=["", ".", "a\0.png"], mask=["m.png", "", ""])
    assert problems(list_sheet(path)) == {
        "(row 2)": "row 2 of the sheet names no image",
        str(tmp_path).lstrip("/"): "not a file",
        "a\0.png": "no such file",
    }


def test_cells_may_be_short_or_quoted(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text('image,mask,label\n\n"a, b.png"\n c.png , c_mask.png\n', encoding="utf-8")
    touch(tmp_path, "a, b.png", "c.png")
    assert list_sheet(path) == (
        ImageFile("a, b.png", tmp_path / "a, b.png", None, (), None),
        ImageFile("c.png", tmp_path / "c.png", None, (tmp_path / "c_mask.png",), None),
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", b"image,kind\na.png,x\n", "unknown columns: kind"),
        ("s.csv", b"Image\na.png\n", "no column 'image'; its columns: Image"),
        ("s.csv", b"", "its columns: none"),
        ("s.csv", b"image\n", "no images in"),
        ("s.csv", b"image\na.png,b,c\n", "row 2: 3 cells under 1 columns"),
        ("s.csv", b"image\n\xff.png\n", "as CSV in UTF-8"),
        ("s.csv", b"image\n" + b"a" * 200_000, "field larger"),
        ("s.parquet", b"", "as Parquet"),
        ("s.parquet", b"image\na.png\n", "as Parquet"),
        ("s.txt", b"image\na.png\n", "neither a folder, a sheet"),
    ],
)
def test_a_sheet_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FirstsightError) as error:
        list_images(tmp_path / name)
    assert message in one_line(error)
    assert name in one_line(error)


@pytest.mark.parametrize("columns", [{"file": ["a.png"]}, {"image": ["a.png"], "extra": ["x"]}])
def test_columns_of_a_parquet_sheet(tmp_path: Path, columns: dict[str, list[str | None]]) -> None:
    with pytest.raises(FirstsightError, match=r"no column 'image'|unknown columns: extra") as error:
        list_images(write_sheet(tmp_path / "s.parquet", **columns))
    one_line(error)


@pytest.mark.parametrize("layout", ["auto", "folder", "mvtec", "sheet"])
@pytest.mark.parametrize("kind", ["missing", "empty folder", "empty mvtec", "file", "only text"])
def test_a_path_without_a_collection_is_one_line(tmp_path: Path, layout: str, kind: str) -> None:
    path = tmp_path / "pile"
    if kind == "file":
        path.touch()
    elif kind != "missing":
        (path / "test" / "good" if kind == "empty mvtec" else path).mkdir(parents=True)
    if kind == "only text":
        touch(path, "readme.txt", "test/good/notes.md")
    with pytest.raises(FirstsightError) as error:
        list_images(path, layout)
    assert str(path) in one_line(error)


def test_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="unknown layout 'visa': choose auto, folder, mvtec, sheet"):
        list_images(tmp_path, "visa")


@pytest.mark.parametrize(("name", "count", "good"), [("magnetic_tile", 256, 60), ("fabric02", 34, 10)])
def test_real_collections(shared: Path, name: str, count: int, good: int) -> None:
    files = list_collection(shared / "data" / name).files
    assert len(files) == count
    assert sum(file.label == "good" for file in files) == good
    assert all((not file.masks) == (file.label == "good") == file.normal for file in files)
    assert all(file.problem is None for file in files)


def test_masks_of_missing_pixels(tmp_path: Path) -> None:
    for name in ("pile/a.png", "pile/deep/b.jpg", "holes/deep/b.png", "holes/other.png", "own.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = with_missing(list_folder(tmp_path / "pile"), tmp_path / "holes")
    assert [file.missing for file in found] == [None, tmp_path / "holes/deep/b.png"]
    sheet = write_sheet(tmp_path / "sheet.csv", image=["pile/a.png", "pile/deep/b.jpg"], missing=["own.png", ""])
    assert [file.missing for file in list_sheet(sheet)] == [tmp_path / "own.png", None]
    with pytest.raises(FirstsightError, match=r"no mask in .*pile has the name of an image, such as x\.png"):
        with_missing((ImageFile("x.png", tmp_path / "x.png", None, (), None),), tmp_path / "pile")
    with pytest.raises(FirstsightError, match="not a folder"):
        with_missing(found, tmp_path / "gone")
