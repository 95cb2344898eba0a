"""CSV files that a person edits, by hand or in a spreadsheet."""

import csv
import io
from pathlib import Path

from firstsight.errors import FirstsightError

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""


def read_edited(path: Path, where: str) -> "csv.DictReader[str]":
    """The lines of a file in UTF-8, separated by commas, semicolons or tabs; each is read when it is asked for.

    Args:
        path: of the file.
        where: what an error begins with, the path in it.

    Raises:
        FirstsightError: the file cannot be read or is not UTF-8.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "no UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror or type(error).__name__
        raise FirstsightError(f"{where} cannot be read ({reason})") from error
    header = text.split("\n", 1)[0]
    # io.StringIO with newline="" leaves line breaks inside quotes as they are.
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count), strict=True)


def escaped(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: with an apostrophe in front where it would."""
    return f"'{cell}" if cell.startswith((*FORMULA_SIGNS, "'")) else cell


def unescaped(cell: str) -> str:
    """What `escaped` made a cell of."""
    return cell[1:] if cell.startswith(tuple(f"'{sign}" for sign in (*FORMULA_SIGNS, "'"))) else cell
