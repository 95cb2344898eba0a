"""The file of verdicts: what the page writes is read back, and every mistake is one line."""

from pathlib import Path

import pytest

from firstsight.clustering.verdicts import COLUMNS, Verdict, names_in, read_verdicts
from firstsight.errors import FirstsightError

HEAD = ",".join(COLUMNS)


def write(folder: Path, *lines: str) -> Path:
    (folder / "verdicts.csv").write_text("\n".join([HEAD, *lines]), encoding="utf-8-sig")
    return folder / "verdicts.csv"


def test_regions_images_and_names(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "tiles,fca,'-1.png,1,2,30,40,normal,",
        "tiles,fca,a.png,,,,,defect,",
        'tiles,fca,a.png,,,,,kind,"crack, long"',
        "tiles,fca,a.png,,,,,not of interest,",
    )
    verdicts = read_verdicts(path)
    assert verdicts == [
        Verdict("tiles", "fca", "-1.png", (1, 2, 30, 40), "normal", ""),
        Verdict("tiles", "fca", "a.png", None, "not of interest", ""),
        Verdict("tiles", "fca", "a.png", None, "kind", "crack, long"),
    ]
    assert names_in(verdicts) == {("tiles", "fca", "a.png"): "crack, long"}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("tiles,fca,a.png,,,,,fine,", "line 2: the verdict 'fine' is none of defect, normal"),
        ("tiles,,a.png,,,,,normal,", "line 2: no collection, detector or image"),
        ("tiles,fca,a.png,1,2,,,normal,", "line 2: x, y, width and height must be four whole numbers"),
        ("tiles,fca,a.png,,,,,kind,", "line 2: a kind needs a name"),
        ('tiles,fca,"a.png', "cannot be read"),
    ],
)
def test_a_mistake_names_its_line(line: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=told):
        read_verdicts(write(tmp_path, line))


def test_a_file_that_is_missing_or_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"absent\.csv cannot be read \(No such file"):
        read_verdicts(tmp_path / "absent.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FirstsightError, match=r"other\.csv has no column 'collection'"):
        read_verdicts(tmp_path / "other.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FirstsightError, match="no UTF-8 text"):
        read_verdicts(tmp_path / "binary.csv")
