"""Stage robustness: what noise and missing pixels do to every detector."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import tifffile

from firstsight.collections.degrade import DEGRADATIONS
from firstsight.collections.images import read_row
from firstsight.errors import FirstsightError
from firstsight.reports.markdown import markdown_table
from firstsight.reports.side_by_side import draw_curves
from firstsight.stages.compare import localization_figures
from firstsight.stages.job import Job
from firstsight.storage.replacing import replace_file, replace_folder
from firstsight.storage.stored_images import read_images
from firstsight.storage.stored_maps import stored_maps

DRAWN = "average_precision"
AXES = {"noise": "deviation of the noise, % of the range", "missing": "missing pixels, %"}


@dataclass(frozen=True)
class Variant:
    """A degraded copy of a collection.

    degradation, level: how it was made; percent.
    manifests, truths: files of all its shards.
    maps: stores of maps of all its shards, by detector.
    """

    degradation: str
    level: int
    manifests: tuple[Path, ...]
    truths: tuple[Path, ...]
    maps: Mapping[str, tuple[Path, ...]]


def degrade_images(
    *,
    images: Sequence[Mapping[str, str | None]],
    degradation: str,
    level: int,
    output: Path,
    seed: int,
    job: Job,
) -> None:
    """Write degraded copies of images as TIFF files of floats, NaN where a pixel is missing.

    Args:
        images: rows with image (the copy's name, but for ``.tif``), path and missing.
        degradation: a key of `DEGRADATIONS`.
        level: percent.
        output: folder to make. An image that cannot be read has no copy there, and the log says why.
        seed: of everything random; an image's own noise does not depend on the others.
        job: where time and counts are noted.
    """
    with replace_folder(output) as folder:
        for row in job.progress(images, len(images)):
            name = str(row["image"])
            try:
                image = read_row(row)
            except FirstsightError as error:
                job.note(f"{name}: {error}")
                continue
            generator = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8"))])
            degraded = DEGRADATIONS[degradation](image, level / 100, generator)
            path = folder / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, degraded, photometric="rgb")
            job.n_images += 1


def measure_robustness(*, variants: Sequence[Variant], collection: str, output: Path, curves: Path, job: Job) -> None:
    """Measure every detector on the degraded copies of a collection.

    Args:
        variants: the copies; one of level 0 counts for every degradation.
        collection: name for the table.
        output: Parquet to make, one row a detector, degradation and level: collection, detector, degradation, level
            (percent), a column for each of `compare.METRICS` (null where it is not defined) and n_images.
        curves: PNG to make: average precision over the level.
        job: where time and counts are noted.
    """
    rows = []
    degradations = list(dict.fromkeys(variant.degradation for variant in variants))
    for variant in job.progress(variants, len(variants)):
        images = read_images(variant.manifests, variant.truths).set_index("image")
        for detector, maps in variant.maps.items():
            stored = {each.image: each for each in stored_maps(maps) if each.status == "ok"}
            figures = localization_figures(stored, images)
            names = {"collection": collection, "detector": detector}
            rows += [
                {**names, "degradation": each, "level": variant.level, **figures, "n_images": len(stored)}
                for each in (degradations if variant.level == 0 else [variant.degradation])
            ]
        job.n_images += len(images)
    table = pandas.DataFrame(rows).sort_values(["degradation", "detector", "level"], kind="stable", ignore_index=True)
    replace_file(output, lambda path: table.to_parquet(path, index=False, compression="zstd"))
    replace_file(curves, lambda path: draw_curves(path, _curves(table), "average precision"))


def join_robustness(*, parts: Sequence[Path], table: Path, markdown: Path, job: Job) -> None:
    """Join the tables of `measure_robustness`, and write average precision as text.

    Raises:
        FirstsightError: no collection has masks.
    """
    if not parts:
        raise FirstsightError("robustness is measured on images with masks, and no collection has any")
    found = pandas.concat([pandas.read_parquet(part) for part in parts], ignore_index=True)
    replace_file(table, lambda path: found.to_parquet(path, index=False, compression="zstd"))
    sections = ["# Robustness\n\nAverage precision of pixels, on a sample of each collection.\n"]
    for (collection, degradation), rows in found.groupby(["collection", "degradation"], sort=False):
        levels = sorted(rows["level"].unique().tolist())
        lines = [
            [detector, *(float(by_level[level]) for level in levels)]
            for detector, by_level in (
                (detector, part.set_index("level")[DRAWN]) for detector, part in rows.groupby("detector", sort=False)
            )
        ]
        table_text = markdown_table(["detector", *(f"{level} %" for level in levels)], lines)
        sections.append(f"## {collection}, {AXES[str(degradation)]}\n\n{table_text}")
    text = "\n".join(sections)
    replace_file(markdown, lambda path: path.write_text(text, "utf-8"))
    job.n_images = int(found["n_images"].sum())


def _curves(table: pandas.DataFrame) -> dict[str, dict[str, dict[float, float]]]:
    found: dict[str, dict[str, dict[float, float]]] = {}
    for row in table.dropna(subset=[DRAWN]).to_dict("records"):
        by_detector = found.setdefault(AXES[row["degradation"]], {})
        by_detector.setdefault(row["detector"], {})[row["level"]] = row[DRAWN]
    return found
