"""Normal images of a collection's texture, for detectors that learn from them; they are not searched for anomalies."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from firstsight.collections.listing import list_collection
from firstsight.collections.readers import ImageFile, find_normal_images, list_folder
from firstsight.errors import FirstsightError

Images = tuple[ImageFile, ...]


def part_references(
    files: Sequence[ImageFile],
    *,
    reference: Path | None,
    path: Path | None,
    layout: str,
    normal_label: Sequence[str] = (),
) -> tuple[Images, Images]:
    """Separate the images to search from the normal ones, which are in ``reference`` or in MVTec's ``train/good``.

    Args:
        files: the collection's images.
        reference: a folder of images at any depth, or None.
        path, layout, normal_label: of the collection, as in `find_normal_images`; without a path there is no
            ``train/good``.

    Returns:
        The images to search, that is, ``files`` without normal images and links to them; and the normal images, whose
        unique ids begin with ``reference/`` or ``train/``. Both are sorted by id.

    Raises:
        FirstsightError: ``reference`` does not exist, is no folder or holds no image, or nothing is left to search; one
            line.
    """
    prefix, references = _list_references(reference, path, layout, normal_label)
    taken = {_identity(file.path) for file in references} - {None}
    searched = tuple(file for file in files if not taken or _identity(file.path) not in taken)
    if not searched:
        raise FirstsightError("every image of the collection is a reference image, none is left to search")
    while any(file.image.startswith(prefix) for file in searched):
        prefix = f"_{prefix}"
    return searched, tuple(replace(file, image=f"{prefix}{file.image}") for file in references)


def _list_references(
    reference: Path | None, path: Path | None, layout: str, normal_label: Sequence[str]
) -> tuple[str, Images]:
    if reference is not None:
        return "reference/", list_collection(reference, "folder").files
    folders = () if path is None else find_normal_images(path, layout, normal_label)
    found = [replace(file, image=f"{folder.name}/{file.image}") for folder in folders for file in list_folder(folder)]
    return "train/", tuple(sorted(found, key=lambda file: file.image))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
