"""What a run will do, known before any job starts: shards, layers, fingerprints."""

import os
from dataclasses import dataclass
from pathlib import Path

from firstsight.clustering.judged_limit import judged_images
from firstsight.clustering.verdicts import Verdict, read_verdicts
from firstsight.collections.unread import tell_unread
from firstsight.errors import ConfigError, FirstsightError, Mistake
from firstsight.plan.collections import CollectionPlan, plan_collection
from firstsight.plan.groups import GroupPlan, plan_groups
from firstsight.plan.settings import Config
from firstsight.plan.weights import require_weights


@dataclass(frozen=True)
class Plan:
    """A whole run: the settings that hold for all of it, and the plan of every collection and group."""

    config: Config
    collections: dict[str, CollectionPlan]
    groups: dict[str, GroupPlan]
    verdicts: tuple[Verdict, ...] = ()

    def judged(self, collection: str, detector: str) -> dict[str, list[str]] | None:
        """The images that choose a threshold, by what was said of them; None where verdicts do not choose it."""
        if self.config.verdicts.use != "threshold":
            return None
        judged = judged_images(
            [each for each in self.verdicts if (each.collection, each.detector) == (collection, detector)]
        )
        return {word: list(images) for word, images in judged._asdict().items()} if any(judged) else None

    @property
    def results(self) -> Path:
        """Folder of everything that the run makes."""
        return self.config.results

    @property
    def detector_names(self) -> tuple[str, ...]:
        """The detectors that the tables have columns of: those that run on any of the collections."""
        return tuple(dict.fromkeys(name for planned in self.collections.values() for name in planned.detectors))

    @property
    def set_aside(self) -> list[str]:
        """One line for each detector of the config that cannot run on this machine."""
        return [
            f"collections.{name}.{why}"
            for name, collection in self.collections.items()
            for why in collection.own.set_aside.values()
        ]

    @property
    def unread(self) -> list[str]:
        """One line for each suffix of files, beside the images of a collection, that cannot be read."""
        return [
            f"collections.{name}: {line}"
            for name, collection in self.collections.items()
            for line in tell_unread(collection.unread)
        ]

    @property
    def remarks(self) -> list[str]:
        """One line for whatever is odd about the files of a collection as a whole."""
        of_files = [
            f"collections.{name}: {line}" for name, planned in self.collections.items() for line in planned.remarks
        ]
        return [*of_files, *self._unused_verdicts]

    @property
    def _unused_verdicts(self) -> list[str]:
        """A line where verdicts should choose thresholds, and are about none."""
        known = [(name, planned) for name, planned in self.collections.items() if not planned.is_new]
        used = any(self.judged(name, detector) for name, planned in known for detector in planned.detectors)
        if self.config.verdicts.use is None or used:
            return []
        return [
            "verdicts.use: no image of the run is judged to have a defect, or to be normal, so no threshold changes"
        ]


def plan_run(config: Config) -> Plan:
    """List every collection's images, cut them into shards and name what is computed from them.

    Finished shards keep their members, as ``shards/<shard>/members.json`` records them, so that a collection may grow.

    Raises:
        ConfigError: results that cannot be written; verdicts that cannot be read; for every collection a missing path,
            no images, an unknown layer, detector or setting, or weights that are neither there nor to be downloaded; a
            group whose collections do not compare.
    """
    require_writable(config.results)
    collections: dict[str, CollectionPlan] = {}
    mistakes: list[Mistake] = []
    verdicts: list[Verdict] = []
    if config.verdicts.file is not None:
        try:
            verdicts = read_verdicts(config.verdicts.file)
        except FirstsightError as error:
            mistakes.append(Mistake(("verdicts",), str(error)))
    for name, settings in config.collections.items():
        try:
            collections[name] = plan_collection(name, settings, config.results, set(config.collections))
            require_weights(collections[name], config.results)
        except ConfigError as error:
            mistakes += [Mistake(("collections", name, *key), text) for key, text in error.mistakes]
        except FirstsightError as error:
            mistakes.append(Mistake(("collections", name), str(error)))
    if mistakes:
        raise ConfigError(mistakes)
    return Plan(config, collections, plan_groups(config.clustering, collections), tuple(verdicts))


def require_writable(results: Path) -> None:
    """Raise a ConfigError where a folder cannot be made or written to."""
    place = results.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ConfigError([Mistake(("results",), f"{place} is not a folder")])
    if not os.access(place, os.W_OK | os.X_OK):
        raise ConfigError([Mistake(("results",), f"{place} cannot be written to")])
