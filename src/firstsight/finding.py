"""Anomalies of one image, found from Python by the stages of the workflow and with its defaults."""

import io
import os
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas
import tifffile
import torch
from numpy.typing import NDArray

from firstsight.collections.images import read_row
from firstsight.collections.readers import SUFFIXES
from firstsight.errors import FirstsightError
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan
from firstsight.plan.installed import DEFAULT_CONFIG
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import paths_below
from firstsight.plan.run import plan_run
from firstsight.stages.describe import describe_shard
from firstsight.stages.detect import detect_anomalies
from firstsight.stages.features import extract_features
from firstsight.stages.job import Job
from firstsight.stages.manifest import make_manifest
from firstsight.stages.scale import find_scale
from firstsight.stages.threshold import find_threshold
from firstsight.storage.json import read_json
from firstsight.storage.stored_maps import stored_maps
from firstsight.storage.tables import read_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAME = "image"
"""What the collection of one image is called."""

THREADS = 2
"""As many as the rules of the workflow give to a job: with another number sums round differently."""


@dataclass(frozen=True)
class Finding:
    """What was found in an image.

    Attributes:
        image: (height, width, 3) its pixels in [0, 1], NaN where one is missing.
        map: (height, width) the anomaly map, higher where it is more anomalous.
        regions: the anomalous regions, rows as in the table ``regions``.
        score: of the whole image.
        threshold: a pixel with a higher score in the map is anomalous.
    """

    image: NDArray[np.float32]
    map: NDArray[np.float32]
    regions: pandas.DataFrame
    score: float
    threshold: float

    def plot(self) -> "Figure":
        """A picture: the image with the outline of its regions, and beside it the map."""
        # Importing it takes a while, and few who ask for numbers need it.
        from matplotlib.figure import Figure  # noqa: PLC0415

        figure = Figure(figsize=(10, 4.5), layout="constrained")
        left, right = figure.subplots(1, 2, sharex=True, sharey=True)
        left.imshow(np.nan_to_num(self.image))
        if self.map.min() < self.threshold < self.map.max():
            left.contour(self.map, [self.threshold], colors="red", linewidths=1)
        left.set_title(f"{len(self.regions)} region{'' if len(self.regions) == 1 else 's'}")
        figure.colorbar(right.imshow(self.map, cmap="inferno"), ax=right)
        right.set_title("anomaly map")
        return figure


def find(image: str | PathLike[str] | NDArray[Any], *, detector: str = "fca", extractor: str | None = None) -> Finding:
    """Find the anomalies of one image, as the workflow does in a collection that has no other.

    Args:
        image: a file, or an array: (height, width) grey, (height, width, 3) colour, or 4 with alpha; 8 or 16 bits, or
            floats, of which those outside [0, 1] are scaled. Pixels that are NaN or have alpha 0 are missing.
        detector: one that needs no other images.
        extractor: which network or filter the features come from; the default for None.

    Raises:
        FirstsightError: an image that cannot be used, or a name that nothing has.
    """
    with TemporaryDirectory() as folder:
        pile = Path(folder, "pile")
        pile.mkdir()
        _put(image, pile)
        config: dict[str, Any] = {
            "results": str(Path(folder, "results")),
            "collections": {NAME: {"path": str(pile), "layout": "folder"}},
            "detectors": {detector: {}},
        }
        if extractor is not None:
            config["features"] = {"extractor": extractor}
        plan = plan_run(load_settings(DEFAULT_CONFIG, config))
        collection = plan.collections[NAME]
        chosen = collection.detectors[detector]
        if chosen.learns:
            raise FirstsightError(
                f"{detector} learns from a whole collection: run `firstsight FOLDER --detector {detector}`"
            )
        before = torch.get_num_threads()
        try:
            return _run(collection, chosen, plan.results, threads=min(THREADS, len(os.sched_getaffinity(0))))
        finally:
            torch.set_num_threads(before)


def _put(image: str | PathLike[str] | NDArray[Any], folder: Path) -> None:
    """Put an image into an empty folder."""
    if isinstance(image, np.ndarray):
        if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (3, 4)):
            shape = " x ".join(map(str, image.shape))
            raise FirstsightError(f"an image is (height, width), or (height, width, 3 or 4), not {shape}")
        values = image.astype(np.float32) if image.dtype.kind == "f" else image
        extra = {"extrasamples": ["unassalpha"]} if image.ndim == 3 and image.shape[2] == 4 else {}
        tifffile.imwrite(
            folder / f"{NAME}.tif", values, photometric="minisblack" if image.ndim == 2 else "rgb", **extra
        )
        return
    path = Path(image).expanduser().absolute()
    if not path.is_file():
        raise FirstsightError(
            f"{path} is a folder: run `firstsight {path}`" if path.is_dir() else f"no such file: {path}"
        )
    if path.suffix.lower() not in SUFFIXES:
        raise FirstsightError(f"{path} is no image by its ending: there are {', '.join(sorted(SUFFIXES))}")
    (folder / path.name).symlink_to(path)


def _run(collection: CollectionPlan, detector: DetectorPlan, results: Path, *, threads: int) -> Finding:
    """Run each stage on the only shard of a collection of one image."""
    (shard,), paths = collection.shards, paths_below(results)
    job = Job(NAME, NAME, shard, detector.name, io.StringIO())
    names = {"collection": NAME, "shard": shard, "features": detector.features, "detector": detector.folder}

    def path(pattern: str) -> Path:
        return Path(pattern.format(**names, kinds=collection.kinds))

    make_manifest(
        files=collection.shard_files(shard),
        collection=NAME,
        shard=shard,
        output=path(paths.manifest),
        members=path(paths.members),
        job=job,
    )
    (row,) = read_table(path(paths.manifest)).to_dict("records")
    if row["status"] != "ok":
        raise FirstsightError(f"{os.path.realpath(row['path'])}: {row['status']}")
    settings = collection.settings.features
    find_scale(
        manifests=[path(paths.manifest)], output=path(paths.scale), settings=settings.model_dump(), seed=0, job=job
    )
    extract_features(
        manifest=path(paths.manifest),
        scale=path(paths.scale),
        output=path(paths.features),
        settings=settings.model_dump(),
        layers=collection.layers_of(detector.features),
        threads=threads,
        job=job,
    )
    detect_anomalies(
        source=path(paths.manifest if detector.reads_image else paths.features),
        model=None,
        output=path(paths.maps),
        method=detector.method,
        settings=detector.settings,
        layers=detector.layers,
        device=settings.device,
        threads=threads,
        job=job,
    )
    (stored,) = stored_maps([path(paths.maps)])
    if stored.status != "ok":
        raise FirstsightError(f"{row['image']}: {stored.status}")
    chosen = collection.settings.threshold.model_dump()
    find_threshold(shards=[path(paths.maps)], output=path(paths.threshold), settings=chosen, seed=0, job=job)
    describe_shard(
        maps=path(paths.maps),
        features=path(paths.features),
        threshold=path(paths.threshold),
        layers=detector.layers,
        collection=NAME,
        detector=detector.name,
        regions=path(paths.regions_of_shard),
        scores=path(paths.scores),
        descriptors=path(paths.descriptors),
        job=job,
    )
    (score,) = read_json(path(paths.scores))["rows"]
    return Finding(
        image=read_row(row),
        map=stored.pixels(),
        regions=read_table(path(paths.regions_of_shard)),
        score=score["score"],
        threshold=score["threshold"],
    )
