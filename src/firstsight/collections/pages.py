"""The images on the pages of the TIFF files of a collection.

Only a few tags of each page are read, so that it can be done for all files whenever a run is planned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from firstsight.collections.readers import ImageFile
from firstsight.collections.stacks import TIFF_SUFFIXES, Address
from firstsight.collections.tiff_pages import full_pages, pages_of_file


def with_pages(files: Sequence[ImageFile], pages: str | int) -> tuple[ImageFile, ...]:
    """The images of a collection with those on the pages of their TIFF files, sorted by id.

    Args:
        files: as listed; only files that end in .tif or .tiff are opened.
        pages: "first": one page of each file (`firstsight.collections.tiff_pages.main_page`); "all": all full pages; a
            number: that page, from 1; "auto": all where they are of one size, and the masks, if there are any, have as
            many pages; else the first.

    Returns:
        The images; those on several pages of a file are called ``<image>/00000`` and so on, from 0.
    """
    if pages == "first":
        return tuple(files)
    found = [page for file in files for page in _pages_of(file, pages)]
    return tuple(sorted(found, key=lambda file: file.image))


def _pages_of(file: ImageFile, pages: str | int) -> Iterator[ImageFile]:
    there = [] if file.problem or file.path.suffix.lower() not in TIFF_SUFFIXES else pages_of_file(file.path)
    if isinstance(pages, int):
        if there and pages > len(there):
            file = replace(file, problem=f"no page {pages}: it has {len(there)}")
        yield replace(file, path=_page(file.path, pages - 1)) if len(there) > 1 else file
        return
    full = full_pages(there)
    paged = [mask for mask in file.masks if len(pages_of_file(mask)) == len(there)] if len(full) > 1 else []
    is_pile = len({there[index][:2] for index in full}) == 1 and len(paged) == len(file.masks)
    if len(full) < 2 or (pages == "auto" and not is_pile):
        yield file
        return
    for index in full:
        masks = tuple(_page(mask, index) if mask in paged else mask for mask in file.masks)
        yield replace(file, image=f"{file.image}/{index:05d}", path=_page(file.path, index), masks=masks)


def _page(path: Path, index: int) -> Path:
    return Path(str(Address(path, None, index)))
