"""A table for Embedding Atlas: images by likeness, with their nearest neighbours and small pictures.

Format: https://apple.github.io/embedding-atlas/tool.html. Neighbours are places of rows, counted from 0; a picture is a
struct of ``bytes`` and ``path``, by whose suffix it is known to be one, as the data sets of Hugging Face have it.
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import parquet

from firstsight.reports.exports.findings import Findings, ImageFindings, as_picture

PICTURE_SIDE = 160
"""The longer side of a picture, in pixels."""

SCHEMA = pyarrow.schema(
    {
        "image": pyarrow.string(),
        "x": pyarrow.float64(),
        "y": pyarrow.float64(),
        "neighbors": pyarrow.struct(
            {"ids": pyarrow.list_(pyarrow.int64()), "distances": pyarrow.list_(pyarrow.float64())}
        ),
        "picture": pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()}),
        "kind": pyarrow.string(),
        "score": pyarrow.float64(),
        "regions": pyarrow.int64(),
        "path": pyarrow.string(),
        "width": pyarrow.int64(),
        "height": pyarrow.int64(),
    }
)


def write_embedding_atlas(findings: Findings, images: Iterable[ImageFindings], folder: Path) -> None:
    """Write ``images.parquet``, a row for each image that the page draws by likeness (2,000 of them at most).

    Shown by ``embedding-atlas images.parquet --x x --y y --neighbors neighbors --image picture``.
    """
    plane = findings.plane
    place = {image: row for row, image in enumerate(plane.images)}
    rows: list[dict[str, Any]] = [{} for _ in plane.images]
    for image in images:
        entry = image.entry
        row = place.get(entry.image)
        if row is None:
            continue
        x, y = plane.points[row]
        rows[row] = {
            "image": _plain(entry.image),
            "x": x,
            "y": y,
            "neighbors": {"ids": list(plane.near[row]), "distances": list(plane.distances[row])},
            "picture": {"bytes": _small(image.pixels()), "path": f"{row}.jpg"},
            "kind": entry.cluster_name,
            "score": image.score,
            "regions": len(image.regions),
            "path": _plain(entry.path),
            "width": entry.width,
            "height": entry.height,
        }
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA), folder / "images.parquet")


def _small(pixels: NDArray[np.float32] | None) -> bytes | None:
    """The picture of an image (H, W, 3), reduced, as JPEG."""
    if pixels is None:
        return None
    picture = as_picture(pixels)
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    file = BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def _plain(name: str) -> str:
    """A name as valid Unicode, which that of a file need not be."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
