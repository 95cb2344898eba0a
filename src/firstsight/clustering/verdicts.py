"""What a person says of images, regions and kinds: the CSV file that the page of a run saves.

A region is known by its box, since numbers change with the threshold; a kind is known by an image that it holds.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from firstsight.errors import FirstsightError
from firstsight.storage.edited_csv import read_edited, unescaped

DEFECT, NORMAL, IGNORED, KIND = "defect", "normal", "not of interest", "kind"
VERDICTS = (DEFECT, NORMAL, IGNORED, KIND)
"""What may be said; ``kind`` gives a name to the kind of an image."""

COLUMNS = ("collection", "detector", "image", "x", "y", "width", "height", "verdict", "name")
LONGEST_NAME = 80

_BOX = ("x", "y", "width", "height")


@dataclass(frozen=True)
class Verdict:
    """One line: what is said of a region, or of a whole image where ``box`` (x, y, width, height) is None.

    ``name`` is that of a kind, empty for other verdicts.
    """

    collection: str
    detector: str
    image: str
    box: tuple[int, int, int, int] | None
    verdict: str
    name: str


def read_verdicts(path: Path) -> list[Verdict]:
    """Read the verdicts that a page saved; of several on the same thing the last one holds.

    The file is CSV in UTF-8, separated by commas, semicolons or tabs, with the columns collection, detector, image, x,
    y, width, height, verdict and name. An apostrophe before what a spreadsheet would take for a formula is removed.

    Raises:
        FirstsightError: the file cannot be read, a column is missing, or a line does not say what is judged, or how.
    """
    found: dict[tuple[object, ...], Verdict] = {}
    reader = read_edited(path, str(path))
    try:
        missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
        if missing:
            raise FirstsightError(f"{path} has no column {missing[0]!r}")
        for row in reader:
            verdict = _read(row, f"{path}, line {reader.line_num}")
            key = (verdict.collection, verdict.detector, verdict.image, verdict.box, verdict.verdict == KIND)
            found[key] = verdict
    except csv.Error as error:
        raise FirstsightError(f"{path} cannot be read ({error})") from error
    return list(found.values())


def names_in(verdicts: list[Verdict]) -> dict[tuple[str, str, str], str]:
    """The names of kinds among verdicts, by collection, detector and image (`firstsight.clustering.names`)."""
    return {(each.collection, each.detector, each.image): each.name for each in verdicts if each.verdict == KIND}


def _read(row: dict[str, str | None], where: str) -> Verdict:
    collection, detector, image, word, name = (
        unescaped((row[column] or "").strip()) for column in ("collection", "detector", "image", "verdict", "name")
    )
    if not (collection and detector and image):
        raise FirstsightError(f"{where}: no collection, detector or image")
    if word not in VERDICTS:
        raise FirstsightError(f"{where}: the verdict {word[:20]!r} is none of {', '.join(VERDICTS)}")
    if word == KIND and not (name and name.isprintable() and len(name) <= LONGEST_NAME):
        raise FirstsightError(f"{where}: a kind needs a name of at most {LONGEST_NAME} plain characters")
    numbers = [(row[column] or "").strip() for column in _BOX]
    if not any(numbers) or word == KIND:
        return Verdict(collection, detector, image, None, word, name if word == KIND else "")
    try:
        x, y, width, height = map(int, numbers)
    except ValueError:
        raise FirstsightError(f"{where}: x, y, width and height must be four whole numbers, or empty") from None
    return Verdict(collection, detector, image, (x, y, width, height), word, "")
