"""The results of a run, opened from Python: its tables, and the anomaly map of each image."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.collections.masks import read_ignored
from firstsight.errors import FirstsightError, suggestion
from firstsight.plan.paths import Paths, paths_below
from firstsight.storage.stored_maps import stored_maps
from firstsight.storage.tables import read_table


@dataclass(frozen=True)
class Results:
    """What a run has left in ``folder``; each table is read when it is first asked for."""

    folder: Path

    @cached_property
    def images(self) -> pandas.DataFrame:
        """A row for each image: its size and status, and for each detector its score, anomalous area and threshold."""
        return self._table("images")

    @cached_property
    def regions(self) -> pandas.DataFrame:
        """A row for each anomalous region."""
        return self._table("regions")

    @cached_property
    def clusters(self) -> pandas.DataFrame:
        """A row for each image and detector: the cluster, which is a kind of anomaly."""
        return self._table("clusters")

    @cached_property
    def metrics(self) -> pandas.DataFrame:
        """A row for each metric of a detector, where there are masks or labels."""
        return self._table("metrics")

    @cached_property
    def runs(self) -> pandas.DataFrame:
        """A row for each job."""
        return self._table("runs")

    @property
    def page(self) -> Path:
        """The page that shows all of it."""
        return Path(self._paths.page)

    def map(self, image: str, *, collection: str | None = None, detector: str | None = None) -> NDArray[np.float32]:
        """The anomaly map of an image, resampled to its pixels: (height, width), higher where it is more anomalous, NaN
        where a pixel is ignored.

        Args:
            image: its name in the table ``images``.
            collection: may be left out where only one has an image of that name.
            detector: may be left out where only one ran on the collection.

        Raises:
            FirstsightError: there is no such image, collection or detector, or more than one; or the image was set
                aside.
        """
        rows = self.images[self.images["image"].eq(image)]
        if rows.empty:
            raise FirstsightError(
                f"no image {image!r} in {self.folder}; {suggestion(image, self.images['image'][:1000])}"
            )
        collection = _one_of("collection", collection, rows["collection"])
        row = rows[rows["collection"].eq(collection)].iloc[0]
        runs = self.runs[self.runs["rule"].eq("detect") & self.runs["collection"].eq(collection)]
        detector = _one_of("detector", detector, runs["detector"])
        fingerprint = runs.loc[runs["detector"].eq(detector), "fingerprint"].iloc[0]
        shard = self._paths.maps.format(collection=collection, detector=f"{detector}-{fingerprint}", shard=row["shard"])
        stored = next(stored for stored in stored_maps([Path(shard)]) if stored.image == image)
        if stored.status != "ok":
            raise FirstsightError(f"{image} has no map: {stored.status}")
        pixels, ignored = stored.pixels(), read_ignored(stored.ignored)
        return pixels if ignored is None else np.where(ignored, np.float32(np.nan), pixels)

    @property
    def _paths(self) -> Paths:
        return paths_below(self.folder)

    def _table(self, name: str) -> pandas.DataFrame:
        return read_table(Path(self._paths.table.format(table=name)))


def open_results(folder: str | PathLike[str] = "results") -> Results:
    """Open the results of a run.

    Raises:
        FirstsightError: there are none in the folder, or the run has not come to its end.
    """
    results = Results(Path(folder))
    missing = next(
        (
            name
            for name in ("images", "runs")
            if not Path(paths_below(results.folder).table.format(table=name)).is_file()
        ),
        None,
    )
    if missing:
        raise FirstsightError(
            f"{results.folder} has no table {missing!r}: it holds no results, or the run has not ended"
        )
    return results


def _one_of(what: str, chosen: str | None, there: pandas.Series) -> str:
    names = sorted(there.unique())
    if chosen is None and len(names) == 1:
        return str(names[0])
    if chosen is None:
        raise FirstsightError(f"say which {what}: {', '.join(names)}")
    if chosen not in names:
        raise FirstsightError(f"no {what} {chosen!r} here; {suggestion(chosen, names)}")
    return chosen
