"""Pixels that are no part of the texture, such as a table's edge or a selvedge: which images have a mask of them."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from firstsight.collections.folders import printable, walk_files
from firstsight.collections.readers import SUFFIXES, ImageFile
from firstsight.errors import FirstsightError

MOST_NAMES = 5


def with_ignored(files: Sequence[ImageFile], path: Path) -> tuple[tuple[ImageFile, ...], tuple[str, ...]]:
    """Give images the masks of their ignored pixels.

    Args:
        files: images; those that are the masks themselves are left out.
        path: a mask for all images, or a folder of masks, named by the image's id, whatever the suffix.

    Returns:
        The images, and a line that counts the masks that fit none of them, if there are any.

    Raises:
        FirstsightError: ``path`` is not there, or a folder without a mask for any of the images.
    """
    if os.path.isfile(path):
        same = os.path.realpath(path)
        return tuple(replace(file, ignored=path) for file in files if os.path.realpath(file.path) != same), ()
    if not os.path.isdir(path):
        raise FirstsightError(f"no such file or folder: {printable(path)}")
    masks = {os.path.splitext(mask.relative)[0]: mask for mask in walk_files(path, SUFFIXES)}
    same_files = {os.path.realpath(mask.path) for mask in masks.values()}
    images = [file for file in files if os.path.realpath(file.path) not in same_files]
    fitting = {file.image: masks.get(os.path.splitext(file.image)[0]) for file in images}
    if not any(fitting.values()):
        example = f", such as {images[0].image}" if images else ""
        raise FirstsightError(f"no mask in {printable(path)} has the name of an image{example}")
    marked = tuple(
        file if (mask := fitting[file.image]) is None else replace(file, ignored=mask.path) for file in images
    )
    used = {mask.relative for mask in fitting.values() if mask}
    loose = sorted(printable(mask.relative) for mask in masks.values() if mask.relative not in used)
    if not loose:
        return marked, ()
    shown = ", ".join(loose[:MOST_NAMES]) + (
        f" and {len(loose) - MOST_NAMES:,} more" if len(loose) > MOST_NAMES else ""
    )
    fit = "mask of ignored pixels fits" if len(loose) == 1 else "masks of ignored pixels fit"
    return marked, (f"{len(loose):,} {fit} no image: {shown}",)
