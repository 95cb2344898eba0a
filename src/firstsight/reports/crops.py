"""Crops for the pages: a region as it is in the picture, and beside it with its map."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from firstsight.errors import FirstsightError
from firstsight.reports.overlays import pieces_of
from firstsight.reports.picture_files import read_picture

CROP_SIDE = 160
"""Width and height, in pixels, of each half of a crop."""

_SURROUNDINGS = 1.8
_LEAST_SHARE = 0.2
_BETWEEN = 4

CROP_SIZE = (2 * CROP_SIDE + _BETWEEN, CROP_SIDE)
"""Width and height of a crop."""


class Box(NamedTuple):
    """A region's box, in pixels of its image."""

    x: int
    y: int
    width: int
    height: int


def box_of(region: Mapping[Any, Any] | None, size: tuple[int, int]) -> Box | None:
    """The box of a row of the table `regions` in an image of this width and height; None: the whole image is shown."""
    width, height = size
    # A strip is drawn in pieces, in which a box lies elsewhere.
    if region is None or pieces_of(height, width) > 1:
        return None
    return Box(*(int(region[key]) for key in ("x", "y", "width", "height")))


def crop_region(folder: Path, image: str, size: tuple[int, int], box: Box | None) -> Image.Image:
    """Cut a region with its surroundings out of a picture and its overlay, and lay the two side by side.

    Args:
        folder: the pictures of the image's shard (`firstsight.reports.picture_files`).
        image: its id.
        size: width and height of the image itself, in pixels.
        box: of the region; None: the whole image.

    Returns:
        A picture of 2 x 160 pixels and a gap: left without, right with the map. The surroundings are a square, moved
        into the frame where the region is at its edge.

    Raises:
        FirstsightError: a drawing that is missing or no picture.
    """
    made = Image.new("RGBA", CROP_SIZE, (0, 0, 0, 0))
    for number, layer in enumerate(("picture", "overlay")):
        try:
            with Image.open(BytesIO(read_picture(folder, image, layer))) as drawn:
                part = drawn.convert("RGBA").crop(_window(drawn.size, size, box))
        except OSError as error:
            raise FirstsightError(f"the page needs the picture of {image!r} in {folder}: {error}") from error
        part.thumbnail((CROP_SIDE, CROP_SIDE))
        if max(part.size) < CROP_SIDE:
            factor = CROP_SIDE / max(part.size)
            part = part.resize((max(1, round(part.width * factor)), max(1, round(part.height * factor))))
        left = number * (CROP_SIDE + _BETWEEN) + (CROP_SIDE - part.width) // 2
        made.paste(part, (left, (CROP_SIDE - part.height) // 2))
    return made


def _window(drawn: tuple[int, int], size: tuple[int, int], box: Box | None) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of a region's surroundings, in pixels of a drawing of its image."""
    if box is None:
        return 0, 0, *drawn
    across, down = drawn[0] / size[0], drawn[1] / size[1]
    side = max(_SURROUNDINGS * max(box.width * across, box.height * down), _LEAST_SHARE * max(drawn))
    width, height = (min(round(side), whole) for whole in drawn)
    left = round((box.x + box.width / 2) * across - width / 2)
    top = round((box.y + box.height / 2) * down - height / 2)
    left, top = min(max(left, 0), drawn[0] - width), min(max(top, 0), drawn[1] - height)
    return left, top, left + width, top + height
