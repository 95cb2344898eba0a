"""Stage robustness: copies of images with noise or missing pixels, and what these do to every detector."""

import zlib
from collections.abc import Mapping, Sequence
from functools import cache, partial
from pathlib import Path

import numpy as np
import tifffile

from firstsight.collections.degrade import DEGRADATIONS
from firstsight.collections.images import inspect_image, read_row
from firstsight.collections.readers import ImageFile
from firstsight.errors import FirstsightError
from firstsight.plan.study_rows import StudyRow
from firstsight.reports.side_by_side import draw_curves
from firstsight.stages.job import Job
from firstsight.stages.manifest import Values, find_limits_of
from firstsight.stages.study import study_table
from firstsight.storage.replacing import replace_file, replace_folder

DRAWN = "average_precision"
AXES = {"noise": "deviation of the noise, % of the range", "missing": "missing pixels, %"}


def degrade_images(
    *,
    images: Sequence[Mapping[str, str | None]],
    degradation: str,
    level: int,
    output: Path,
    seed: int,
    job: Job,
    values: Values | None = None,
) -> None:
    """Write degraded copies of images as TIFF files of floats, NaN where a pixel is missing.

    Args:
        images: rows with image (the copy's name without ``.tif``), path, missing and ignored.
        degradation: a key of `DEGRADATIONS`.
        level: percent.
        values: where the range of images of more than 8 bits comes from.
        output: folder to make. An image that cannot be read has no copy there, and the log says why.
        seed: of all random numbers; those of an image do not depend on the other images.
    """
    find_limits = None if values is None else cache(partial(find_limits_of, values, job))
    with replace_folder(output) as folder:
        for row in job.progress(images, len(images)):
            name = str(row["image"])
            try:
                looked_at = inspect_image(
                    _file(row), find_limits, always=values is not None and values.given is not None
                )
                image = read_row({**row, **{name: looked_at[name] for name in ("value_low", "value_high")}})
            except FirstsightError as error:
                job.note(f"{name}: {error}")
                continue
            generator = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8"))])
            degraded = DEGRADATIONS[degradation](image, level / 100, generator)
            path = folder / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, degraded, photometric="rgb")
            job.n_images += 1


def _file(row: Mapping[str, str | None]) -> ImageFile:
    missing, ignored = (Path(mask) if (mask := row.get(name)) else None for name in ("missing", "ignored"))
    return ImageFile(str(row["image"]), Path(str(row["path"])), None, (), None, missing, ignored=ignored)


def draw_robustness(*, rows: Sequence[StudyRow], output: Path) -> None:
    """Draw the average precision of every detector over the level of degradation.

    Args:
        rows: those of the study of robustness that are about one collection.
        output: PNG to make.
    """
    curves: dict[str, dict[str, dict[float, float]]] = {}
    for row in study_table(rows, [DRAWN]).dropna(subset=[DRAWN]).to_dict("records"):
        by_detector = curves.setdefault(AXES[row["degradation"]], {})
        by_detector.setdefault(row["detector"], {})[row["level"]] = row[DRAWN]
    replace_file(output, lambda path: draw_curves(path, curves, "average precision"))
