"""What was given in place of a collection of images, and what to do instead."""

import os
from collections.abc import Callable
from pathlib import Path

VIDEOS = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})
ARCHIVES = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"})
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
    if suffix in ARCHIVES:
        return "is an archive: unpack it, and give the folder"
    if suffix in VIDEOS:
        return f"is a video: {CUT}"
    return None


def other_files_in(folder: Path) -> str | None:
    """What a folder without images holds at any depth that might have been meant, and what to do."""
    suffixes = [os.path.splitext(name)[1].lower() for _, _, names in os.walk(folder) for name in names]
    videos = sum(suffix in VIDEOS for suffix in suffixes)
    archives = sum(suffix in ARCHIVES for suffix in suffixes)
    if videos:
        return f"but {videos} video{'s' if videos > 1 else ''}: {CUT}"
    if archives:
        return f"but {archives} archive{'s' if archives > 1 else ''}: unpack"
    return None
