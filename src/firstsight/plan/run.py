"""What a run will do, known before any job starts: shards, layers, fingerprints."""

import os
from dataclasses import dataclass
from pathlib import Path

from firstsight.errors import FirstsightError
from firstsight.plan.collections import CollectionPlan, plan_collection
from firstsight.plan.settings import DaskSettings, Settings


@dataclass(frozen=True)
class Plan:
    """A whole run: where results go, the file of names, what is exported, how GPUs are asked for, where dask runs."""

    results: Path
    names: Path | None
    exports: tuple[str, ...]
    gpu_request: str | None
    dask: DaskSettings
    collections: dict[str, CollectionPlan]

    @property
    def detector_names(self) -> tuple[str, ...]:
        """The detectors that the tables have columns of: those that run on any of the collections."""
        return tuple(dict.fromkeys(name for planned in self.collections.values() for name in planned.detectors))

    @property
    def set_aside(self) -> list[str]:
        """One line for each detector of the config that cannot run on this machine."""
        return [
            f"collections.{name}.{why}"
            for name, each in self.collections.items()
            for why in each.own.set_aside.values()
        ]


def plan_run(settings: Settings) -> Plan:
    """List every collection's images, cut them into shards and name what is computed from them.

    Finished shards keep their members, as ``shards/<shard>/members.json`` records them, so that a collection may grow.

    Raises:
        FirstsightError: a missing path, an empty collection, an unknown extractor, layer, detector or setting, or
            weights that are not there, results that cannot be written; one line that begins with ``config:`` and names
            the key.
    """
    _require_writable(settings.results)
    collections = {}
    for name, collection in settings.collections.items():
        try:
            collections[name] = plan_collection(collection, settings.results)
        except FirstsightError as error:
            raise FirstsightError(f"config: collections.{name}: {error}") from None
    return Plan(
        results=settings.results,
        names=settings.names,
        exports=settings.exports,
        gpu_request=settings.gpu_request,
        dask=settings.dask,
        collections=collections,
    )


def _require_writable(results: Path) -> None:
    place = results.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise FirstsightError(f"config: results: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise FirstsightError(f"config: results: {place} cannot be written to")
