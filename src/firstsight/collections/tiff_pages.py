"""What the pages of a TIFF are, by a few of their tags: full images, or smaller pictures of them, or their masks."""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

PAGE_LIMIT = 1_000_000
"""A file may declare any number of pages; no more are looked at."""

LARGEST_DIRECTORY = 4096
"""Tags of a page that are looked at."""

REDUCED, MASK = 1, 4
"""Bits of the tag NewSubfileType: a smaller picture of another page; its transparency mask."""

OLD_REDUCED = 2
"""The value of the older tag SubfileType for the same."""


class TiffPage(NamedTuple):
    """The size of a page in pixels, and whether it is an image of its own."""

    width: int
    height: int
    is_full: bool


def pages_of_file(path: Path) -> list[TiffPage]:
    """The pages of a file; none where it cannot be read, or is no TIFF."""
    try:
        with open(path, "rb") as file:
            return read_pages(file)
    except OSError:
        return []


def full_pages(pages: Sequence[TiffPage]) -> list[int]:
    """The indices of the pages that are images of their own; of all pages where none is."""
    return [index for index, page in enumerate(pages) if page.is_full] or list(range(len(pages)))


def main_page(pages: Sequence[TiffPage]) -> int:
    """The index of the largest page that is an image of its own, the first of several; 0 where nothing is known."""
    return max(full_pages(pages), key=lambda index: pages[index].width * pages[index].height, default=0)


def read_pages(file: BinaryIO) -> list[TiffPage]:
    """The pages of an open file, as far as its chain of directories can be followed; what is wrong ends the chain."""
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2])
    if order is None or len(head) < 8:
        return []
    version = struct.unpack(f"{order}H", head[2:4])[0]
    if version == 42:
        count_form, entry_form, offset_form, (offset,) = "H", "HHI4s", "I", struct.unpack(f"{order}I", head[4:8])
    elif version == 43 and len(head) == 16:
        count_form, entry_form, offset_form, (offset,) = "Q", "HHQ8s", "Q", struct.unpack(f"{order}Q", head[8:16])
    else:
        return []
    pages: list[TiffPage] = []
    seen: set[int] = set()
    try:
        while offset and offset not in seen and len(pages) < PAGE_LIMIT:
            seen.add(offset)
            file.seek(offset)
            count = _unpack(file, f"{order}{count_form}")[0]
            if count > LARGEST_DIRECTORY:
                break
            tags = {}
            for _ in range(count):
                tag, kind, _, value = _unpack(file, f"{order}{entry_form}")
                if tag in {254, 255, 256, 257}:
                    form = {3: "H", 16: "Q"}.get(kind, "I")
                    tags[tag] = struct.unpack(f"{order}{form}", value[: struct.calcsize(form)])[0]
            is_full = not tags.get(254, 0) & (REDUCED | MASK) and tags.get(255) != OLD_REDUCED
            pages.append(TiffPage(tags.get(256, 0), tags.get(257, 0), is_full))
            offset = _unpack(file, f"{order}{offset_form}")[0]
    except (struct.error, OSError, OverflowError):
        # Whoever decodes the file says what is wrong with it.
        return pages
    return pages


def _unpack(file: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
