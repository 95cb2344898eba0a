"""The pictures of a shard in few files, which a page that is opened from disk can read.

A file is a script that calls ``firstsight.pictures`` with the pictures of some images, as base64: a line for each. An
image belongs to one of `GROUPS` by the hash in the name that it has there, so that no index is needed, and a page reads
little besides what it shows. Thumbnails have files of their own.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.overlays import Layers, encoded, overlay_name, thumbnail

GROUPS = 13
"""Into so many files the pictures of a shard are cut, and its thumbnails into as many."""


class Place(NamedTuple):
    """Where a picture of an image is: in which sort of file, at which place there, and of which type it is."""

    file: str
    place: int
    type: str


PLACES: Mapping[str, Place] = {
    "thumbnail": Place("thumbnails", 0, "webp"),
    "picture": Place("layers", 0, "webp"),
    "overlay": Place("layers", 1, "png"),
    "lines": Place("layers", 2, "png"),
}
"""The pictures of an image: `Layers`, and the overlay in small."""

_BEGIN, _END = "firstsight.pictures({", "\n});\n"


def name_in_files(image: str) -> str:
    """What an image is called in the files; it ends with digits of a hash."""
    return overlay_name(image).removesuffix(".png")


def file_of_picture(image: str, layer: str) -> str:
    """The name of the file, in the folder of its shard, that holds a picture of an image."""
    return f"{PLACES[layer].file}-{int(name_in_files(image)[-8:], 16) % GROUPS}.js"


class PictureFiles:
    """Writes the pictures of a shard into a folder that is itself replaced as one; see `picture_files`."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder, self._opened = folder, opened
        self._files: dict[str, TextIO] = {}

    def add(self, image: str, layers: Layers) -> None:
        """Write the pictures of an image."""
        self.add_pictures(
            image,
            {
                "thumbnail": thumbnail(layers.overlay),
                "picture": layers.picture,
                "overlay": layers.overlay,
                "lines": layers.lines,
            },
        )

    def add_pictures(self, image: str, pictures: Mapping[str, Image.Image]) -> None:
        """Write these pictures of an image, by layer; all that are in one sort of file."""
        by_file: dict[str, list[str]] = {}
        for layer, (_, _, suffix) in PLACES.items():
            if layer in pictures:
                content = base64.b64encode(encoded(pictures[layer], f".{suffix}")).decode()
                by_file.setdefault(file_of_picture(image, layer), []).append(content)
        for name, contents in by_file.items():
            file = self._files.get(name)
            if file is None:
                opened = (self._folder / name).open("w", encoding="ascii")
                file = self._files[name] = self._opened.enter_context(opened)
                file.write(_BEGIN)
            else:
                file.write(",")
            file.write(f"\n{json.dumps(name_in_files(image))}:{json.dumps(contents)}")

    def end(self) -> None:
        """Complete the files."""
        for file in self._files.values():
            file.write(_END)


@contextmanager
def picture_files(folder: Path) -> Iterator[PictureFiles]:
    """Give what writes the pictures of a shard into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as opened:
        files = PictureFiles(folder, opened)
        yield files
        files.end()


def read_picture(folder: Path, image: str, layer: str) -> bytes:
    """A picture of an image, as a file of its type holds it.

    Args:
        folder: of the shard.
        image: its id.
        layer: one of `PLACES`.

    Raises:
        FirstsightError: it is not there.
    """
    path, start = folder / file_of_picture(image, layer), f"{json.dumps(name_in_files(image))}:"
    try:
        with open(path, encoding="ascii") as file:
            line = next((line for line in file if line.startswith(start)), None)
    except OSError as error:
        raise FirstsightError(f"the page needs the pictures in {path}: {error}") from error
    if line is None:
        raise FirstsightError(f"the page needs the picture of {image!r}, which is not in {path}")
    try:
        return base64.b64decode(json.loads(line[len(start) :].rstrip().rstrip(","))[PLACES[layer].place])
    except (ValueError, IndexError) as error:
        raise FirstsightError(f"the page needs the picture of {image!r}, and {path} is damaged") from error
