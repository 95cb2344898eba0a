"""Tables as text."""

from collections.abc import Sequence
from math import isnan


def markdown_table(titles: Sequence[str], rows: Sequence[Sequence[object]], digits: int = 3) -> str:
    """A table in Markdown.

    Floats have so many digits after the point, but none from 100 on. None and NaN are a dash; of true and false only
    what is true is said. Pipes are escaped.
    """
    lines = [list(titles), ["---"] * len(titles), *([_cell(value, digits) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(value: object, digits: int) -> str:
    if value is None or (isinstance(value, float) and isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        return f"{value:.{digits if abs(value) < 100 else 0}f}"
    return " ".join(str(value).split()).replace("|", "\\|")
