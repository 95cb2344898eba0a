"""What was given in place of a collection of images, and what to do instead."""

from collections.abc import Callable
from pathlib import Path

from firstsight.collections.unread import ARCHIVES, VIDEOS

CUT = "cut each into images (ffmpeg -i VIDEO FOLDER/%05d.png) and give their folder"


def what_it_is(path: Path, is_image: Callable[[str], bool]) -> str | None:
    """What a file is that holds no collection, and what to do; None for one that nobody mistakes for one.

    Args:
        path: a file.
        is_image: whether a suffix, in lower case, is that of an image.
    """
    suffix = path.suffix.lower()
    if is_image(suffix):
        return "is a single image: give the folder that it lies in"
    if suffix[1:] in ARCHIVES:
        return "is an archive: unpack it, and give the folder"
    if suffix[1:] in VIDEOS:
        return f"is a video: {CUT}"
    return None
