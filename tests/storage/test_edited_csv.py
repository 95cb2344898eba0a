"""Files that a person edits: separators, line breaks in cells, formulas, and what cannot be read."""

from pathlib import Path

import pytest

from firstsight.errors import FirstsightError
from firstsight.storage.edited_csv import FORMULA_SIGNS, escaped, read_edited, unescaped


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_any_separator_and_a_line_break_in_a_cell(separator: str, tmp_path: Path) -> None:
    path = tmp_path / "names.csv"
    path.write_text(f'a{separator}b\n1{separator}"two\r\nlines"\n', encoding="utf-8-sig", newline="")
    reader = read_edited(path, "names")
    assert list(reader) == [{"a": "1", "b": "two\r\nlines"}]
    assert reader.line_num == 3


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"^names: absent cannot be read \(No such file"):
        read_edited(tmp_path / "absent.csv", "names: absent")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FirstsightError, match=r"cannot be read \(no UTF-8 text\)"):
        read_edited(tmp_path / "binary.csv", "names")


@pytest.mark.parametrize("cell", ["", "plain", "'", "'=1", *(f"{sign}1" for sign in FORMULA_SIGNS)])
def test_an_escaped_cell_comes_back_and_is_no_formula(cell: str) -> None:
    assert not escaped(cell).startswith(FORMULA_SIGNS)
    assert unescaped(escaped(cell)) == cell
