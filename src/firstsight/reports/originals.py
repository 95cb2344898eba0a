"""Where the files of images are, seen from the page."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import pandas

SHOWN_BY_BROWSERS = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif"})
"""Suffixes of files that every browser shows."""

_IN_STACK = re.compile(r"\[[^\[\]/]*\]$")


def addresses_of_originals(paths: Sequence[str], root: Path) -> list[str | None]:
    """The address of each image's file, relative to the page and percent-encoded; None for an image within a stack.

    Args:
        paths: column ``path`` of the table `images`; relative ones begin where the run was started.
        root: folder of the page.
    """
    start = root.absolute()
    return [
        None
        if _IN_STACK.search(path)
        else quote(os.path.relpath(Path(path).absolute(), start), errors="surrogateescape")
        for path in paths
    ]


def look_alike_in_browsers(images: pandas.DataFrame) -> pandas.Series:
    """Whether a browser shows the file of each image as firstsight reads it: 8 bits, in a format that it knows.

    Args:
        images: rows of the table `images`.
    """
    # Of no image, the column would be one of text.
    known = images["path"].map(lambda path: Path(path).suffix.lower() in SHOWN_BY_BROWSERS).astype(bool)
    return known & images["dtype"].eq("uint8") & images["value_low"].isna() & images["missing"].isna()
