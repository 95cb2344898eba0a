"""Which images a collection has: one listing function per layout, each returning `ImageFile`s sorted by their id.

Listing looks at names only. It opens no image, so that 100,000 files take about a second; faults inside a file are left
to `firstsight.collections.images.inspect_image`. A fault of one *name* (a dead link, a duplicate row) goes into that
file's `problem` and does not stop the collection; only a collection that cannot be listed at all is an error.
"""

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path, PurePath

import pyarrow
import pyarrow.parquet

from firstsight.collections.folders import ListedFile, printable, walk_files
from firstsight.collections.labels import normal_labels
from firstsight.collections.mask_names import is_mask_folder
from firstsight.collections.mistaken import what_it_is
from firstsight.collections.stacks import STACKS, guess_stack, list_stack
from firstsight.collections.times import UNREAD_TIME, read_time
from firstsight.collections.unread import MORE_FORMATS, count_unread, tell_unread
from firstsight.errors import FirstsightError

SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".btf", ".bmp", ".dib", ".webp"),
        *(suffix for suffix, format in MORE_FORMATS.items() if format.is_there()),
    }
)
"""Suffixes of the files that are listed, in lower case; of some formats only where what reads them is installed."""
SHEET_SUFFIXES = frozenset({".csv", ".parquet"})
SHEET_COLUMNS = ("image", "mask", "label", "missing", "ignore", "time")
TEST_FOLDERS = ("test", "test_public")
"""Where the mvtec layout has the images to search; MVTec AD 2 calls it by the second name."""


@dataclass(frozen=True)
class ImageFile:
    """What is known of one image of a collection before its file is opened.

    `image` is unique in the collection, does not change when other images come and go, and neither begins with `/` nor
    contains `..`, so it can name a file below a results folder.
    """

    image: str
    """Path relative to the folder of the collection or sheet, with `/` between its parts and with its suffix."""
    path: Path
    """Where to read it: a file, or an address of `firstsight.collections.stacks`."""
    label: str | None
    """Its kind, as the folder or the sheet calls it; None if unknown."""
    masks: tuple[Path, ...]
    """Its ground-truth masks, if any: what one of them marks is anomalous."""
    problem: str | None
    """What is known to be wrong before the file is read, if anything."""
    missing: Path | None = None
    """A mask of its missing pixels, if any."""
    normal: bool | None = None
    """Whether it has no anomaly, by its label; None if that is unknown."""
    remark: str | None = None
    """What is odd about its label, masks and time, before they are read."""
    ignored: Path | None = None
    """A mask of its pixels that are no part of the texture, if any."""
    time: datetime | None = None
    """When it was taken, as the sheet says; None if unknown."""


def list_images(path: Path, layout: str = "auto", axes: str = "auto") -> tuple[ImageFile, ...]:
    """List the images of the collection at `path`, sorted by `ImageFile.image`.

    Args:
        path: a folder, a sample sheet, or a stack (`firstsight.collections.stacks.list_stack`).
        layout: a key of `LAYOUTS`, one of `STACKS`, or "auto": a file that ends in .csv or .parquet is a sheet, one
            that ends in .tif or .tiff a TIFF stack; HDF5 is recognised by its first bytes, Zarr by the files in its
            folder; a folder with `test/` and a folder of masks, or a normal kind in `test/`, has the MVTec layout; any
            other folder is a folder of images.
        axes: as for `firstsight.collections.stacks.list_stack`.

    Raises:
        FirstsightError: `layout` is unknown, or `path` does not exist, is of the wrong kind, cannot be opened or holds
            no image.
    """
    if layout not in {"auto", *LAYOUTS, *STACKS}:
        raise FirstsightError(f"unknown layout '{layout}': choose auto, {', '.join([*LAYOUTS, *STACKS])}")
    stack = guess_stack(path) if layout == "auto" else layout
    if stack in STACKS:
        return _list_stack(path, stack, axes)
    if not os.path.exists(path):
        raise FirstsightError(f"no such file or folder: {printable(path)}")
    files = LAYOUTS[guess_layout(path) if layout == "auto" else layout](path)
    if not files:
        others = "".join(f"; {line}" for line in tell_unread(count_unread(path)))
        raise FirstsightError(f"no images in {printable(path)} (looked for {', '.join(sorted(SUFFIXES))}){others}")
    return files


def list_folder(path: Path) -> tuple[ImageFile, ...]:
    """List every image at any depth below the folder `path`, without labels; hidden names (`.x`) are skipped."""
    _require_folder(path)
    return _sorted([_image_file(file, file.relative) for file in _walk(path)])


def list_mvtec(path: Path) -> tuple[ImageFile, ...]:
    """List `<path>/test/<kind>/*` at any depth; an image's kind is its label, one directly in `test/` has none.

    Masks (`firstsight.collections.listing`) and `train/` (`find_normal_images`) are not listed.
    """
    _require_folder(path)
    test = test_folder(path)
    if test is None:
        raise FirstsightError(f"no folder 'test' in {printable(path)}: the mvtec layout is test/<kind>/<image>")
    return _sorted(
        [
            _image_file(file, f"{test.name}/{file.relative}", file.relative.rpartition("/")[0].split("/")[0] or None)
            for file in _walk(test)
            if not any(map(is_mask_folder, file.relative.split("/")[:-1]))
        ]
    )


def test_folder(path: Path) -> Path | None:
    """Where a folder in the mvtec layout has the images to search, if it is one; in any case."""
    return next((path / name for name in sorted(_folders_in(path)) if name.lower() in TEST_FOLDERS), None)


def list_sheet(path: Path) -> tuple[ImageFile, ...]:
    """List the images named by the sample sheet `path`, CSV (UTF-8, commas) or Parquet.

    Columns: `image` (required), `mask`, `label`, `missing`, `ignore`, `time` (optional; an empty cell means unknown, or
    none). A mask may be a folder of several. Paths are absolute or relative to the sheet's folder. Rows are numbered as
    in a spreadsheet: the header is row 1. The id of an image outside the sheet's folder is its absolute path without
    the leading `/`. A row that repeats an image gets ` (row N)` added to its id, since ids are unique.

    Raises:
        FirstsightError: the sheet cannot be read, lacks the column `image` or has an unknown column.
    """
    if not os.path.isfile(path):
        raise FirstsightError(f"not a sheet (a .csv or .parquet file): {printable(path)}")
    columns, rows = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    unknown = sorted(set(columns) - set(SHEET_COLUMNS))
    if "image" not in columns:
        raise FirstsightError(f"{printable(path)} has no column 'image'; its columns: {', '.join(columns) or 'none'}")
    if unknown:
        raise FirstsightError(
            f"{printable(path)} has unknown columns: {', '.join(unknown)} (known: {', '.join(SHEET_COLUMNS)})"
        )

    folder = os.path.abspath(path.parent)
    files: list[ImageFile] = []
    first_rows: dict[str, int] = {}
    ids: set[str] = set()
    for number, row in rows:
        place = os.path.normpath(os.path.join(folder, row["image"]))
        image = PurePath(place.removeprefix(os.path.join(folder, ""))).as_posix().lstrip("/")
        mask, missing, ignored = (
            Path(os.path.normpath(os.path.join(folder, row[column]))) if row.get(column) else None
            for column in ("mask", "missing", "ignore")
        )
        problem = None
        if not row["image"]:
            image, problem = "", f"row {number} of the sheet names no image"
        elif place in first_rows:
            problem = f"duplicate row in the sheet: row {number} names the image of row {first_rows[place]}"
        elif not os.path.isfile(place):
            problem = "not a file" if os.path.exists(place) else "no such file"
        if row["image"]:
            first_rows.setdefault(place, number)
        while not image or image in ids:
            image = f"{image} (row {number})".strip()
        ids.add(image)
        masks = () if mask is None else _masks_at(mask)
        label = row.get("label") or None
        time = read_time(row["time"]) if row.get("time") else None
        files.append(
            ImageFile(
                image=printable(image),
                path=Path(place),
                label=label,
                masks=masks,
                problem=problem,
                missing=missing,
                remark=UNREAD_TIME if row.get("time") and time is None else None,
                ignored=ignored,
                time=time,
            )
        )
    return _sorted(files)


def _masks_at(path: Path) -> tuple[Path, ...]:
    """The masks that a cell of a sheet names: a file, or all files in a folder."""
    return tuple(file.path for file in list_folder(path)) if os.path.isdir(path) else (path,)


def with_missing(files: tuple[ImageFile, ...], folder: Path) -> tuple[ImageFile, ...]:
    """Give images the masks of their missing pixels: files in `folder` named by the image's id, whatever the suffix.

    Raises:
        FirstsightError: `folder` cannot be opened, or holds no mask for any of the images.
    """
    _require_folder(folder)
    masks = {os.path.splitext(mask.relative)[0]: mask.path for mask in _walk(folder)}
    marked = tuple(replace(file, missing=masks.get(os.path.splitext(file.image)[0], file.missing)) for file in files)
    if all(file.missing is None for file in marked):
        raise FirstsightError(f"no mask in {printable(folder)} has the name of an image, such as {files[0].image}")
    return marked


def _list_stack(path: Path, layout: str, axes: str) -> tuple[ImageFile, ...]:
    files = []
    for member in list_stack(path, layout, axes):
        image = printable(member.image)
        problem = "name is not UTF-8" if image != member.image else member.problem
        masks = () if member.mask is None else (Path(str(member.mask)),)
        files.append(ImageFile(image, Path(str(member.address)), None, masks, problem))
    return _sorted(files)


def find_normal_images(path: Path, layout: str, normal_label: Sequence[str] = ()) -> tuple[Path, ...]:
    """The folders in ``train`` of a collection in the MVTec layout whose names say that their images are normal.

    Args:
        path, layout: as in `list_images`.
        normal_label: as in `firstsight.collections.labels.normal_labels`.
    """
    if os.path.isfile(path) or (guess_layout(path, normal_label) if layout == "auto" else layout) != "mvtec":
        return ()
    return tuple(
        path / train / name
        for train in sorted(_folders_in(path))
        if train.lower() == "train"
        for name in sorted(normal_labels(_folders_in(path / train), normal_label))
    )


LAYOUTS = {"folder": list_folder, "mvtec": list_mvtec, "sheet": list_sheet}


def _walk(folder: Path) -> Iterator[ListedFile]:
    """Images at any depth below ``folder``, in no order."""
    return walk_files(folder, SUFFIXES)


def _image_file(file: ListedFile, image: str, label: str | None = None) -> ImageFile:
    escaped = printable(image)
    problem = "name is not UTF-8" if escaped != image else file.problem
    return ImageFile(escaped, file.path, None if label is None else printable(label), (), problem)


def _sorted(files: list[ImageFile]) -> tuple[ImageFile, ...]:
    return tuple(sorted(files, key=lambda file: file.image))


def guess_layout(path: Path, normal_label: Sequence[str] = ()) -> str:
    """The layout of a folder or file that is no stack; a FirstsightError for a file that is no sheet either."""
    if os.path.isfile(path):
        if path.suffix.lower() in SHEET_SUFFIXES:
            return "sheet"
        instead = what_it_is(path, SUFFIXES.__contains__)
        if instead:
            raise FirstsightError(f"{printable(path)} {instead}")
        raise FirstsightError(f"neither a folder, a sheet (.csv or .parquet), HDF5 nor TIFF: {printable(path)}")
    test = test_folder(path)
    if test is None:
        return "folder"
    is_mvtec = any(map(is_mask_folder, _folders_in(path))) or bool(normal_labels(_folders_in(test), normal_label))
    return "mvtec" if is_mvtec else "folder"


def _folders_in(path: Path) -> list[str]:
    try:
        return [name for name in os.listdir(path) if os.path.isdir(path / name)]
    except OSError:
        return []


def _require_folder(path: Path) -> None:
    if not os.path.isdir(path):
        raise FirstsightError(f"not a folder: {printable(path)}")


def _read_csv(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The column names, and the number and the cells by column of every row that is not empty."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            lines = [(number, [cell.strip() for cell in line]) for number, line in enumerate(csv.reader(file), start=1)]
    except OSError as error:
        raise FirstsightError(f"cannot open {printable(path)}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise FirstsightError(f"cannot read {printable(path)} as CSV in UTF-8: {error}") from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    columns = lines[0][1] if lines else []
    rows = []
    for number, cells in lines[1:]:
        if len(cells) > len(columns):
            raise FirstsightError(f"{printable(path)}, row {number}: {len(cells)} cells under {len(columns)} columns")
        rows.append((number, dict(zip(columns, cells, strict=False))))
    return columns, [(number, {"image": ""} | row) for number, row in rows]


def _read_parquet(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise FirstsightError(f"cannot read {printable(path)} as Parquet: {str(error).splitlines()[0]}") from None
    rows = [
        {column: "" if cell is None else str(cell) for column, cell in row.items()}
        for row in table.select([name for name in SHEET_COLUMNS if name in table.column_names]).to_pylist()
    ]
    return list(table.column_names), list(enumerate(rows, start=2))
