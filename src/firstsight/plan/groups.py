"""The plan of groups of collections that have kinds of anomaly in common."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from firstsight.errors import ConfigError, Mistake, suggestion
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan
from firstsight.plan.paths import PLAIN, Paths
from firstsight.plan.settings import SMALLEST_GROUP, RunClusteringSettings

ALL = "all"
"""Name of the group of all collections."""

LONGEST_NAME = 80
KEY = ("clustering", "across")


@dataclass(frozen=True)
class GroupPlan:
    """A group of collections, whose images are described by the same features under the same detectors.

    collections: their names, sorted, so that the order in the config does not matter.
    detectors: the folder of each detector by its name, the same in all collections.
    """

    name: str
    collections: tuple[str, ...]
    detectors: dict[str, str]


@dataclass(frozen=True)
class GroupPart:
    """The files of one collection of a group, each list shard by shard.

    descriptors, scores: of the stage describe.
    normal_cells: of the stage of that name; empty where they are not needed.
    """

    collection: str
    descriptors: list[Path]
    scores: list[Path]
    normal_cells: list[Path]

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [*self.descriptors, *self.scores, *self.normal_cells]


def parts_of_group(
    group: GroupPlan, collections: Mapping[str, CollectionPlan], paths: Paths, detector: str, textures: str
) -> list[GroupPart]:
    """What the kinds of a group are found from, in the order of its collections.

    Descriptors are those of the extractor's features, since every contrastive head makes features of its own.

    Args:
        group: the plan of the group.
        collections: of the run.
        paths: of the run.
        detector: the folder of the detector.
        textures: the setting; of the same texture, normal cells are not needed.
    """
    wildcards = {"detector": detector, "kinds": PLAIN}
    return [
        GroupPart(
            collection=name,
            descriptors=collections[name].of_shards(paths.descriptors, **wildcards),
            scores=collections[name].of_shards(paths.scores, **wildcards),
            normal_cells=[] if textures == "same" else collections[name].of_shards(paths.normal_cells, **wildcards),
        )
        for name in group.collections
    ]


def learned_collections(
    name: str, detector: DetectorPlan, groups: Iterable[GroupPlan], collections: Mapping[str, CollectionPlan]
) -> list[str]:
    """The collections that a detector learns from where ``learn_across`` is set, in the order of their names.

    Those of all groups of the collection, but for new images (``assign_to``), from which nothing is learned; a detector
    of normal images learns from those of its own collection alone.

    Args:
        name: of the collection.
        detector: that learns.
        groups, collections: of the run.
    """
    beside = {other for group in groups if name in group.collections for other in group.collections}
    if detector.normal:
        return [name]
    return sorted({name, *(other for other in beside if not collections[other].is_new)})


def groups_of_page(groups: Iterable[GroupPlan], paths: Paths) -> list[dict[str, Any]]:
    """What the page of groups is made from besides tables, for `firstsight.stages.group_page.make_group_page`."""
    return [
        {
            "group": group.name,
            "detector": detector,
            "summary": paths.group_summary.format(group=group.name, detector=folder),
            "overlays": {
                name: paths.overlays_of_all_shards.format(collection=name, detector=folder)
                for name in group.collections
            },
        }
        for group in groups
        for detector, folder in group.detectors.items()
    ]


def plan_groups(settings: RunClusteringSettings, collections: Mapping[str, CollectionPlan]) -> dict[str, GroupPlan]:
    """The groups that a config asks for, by name, in the order of their names.

    New images (``assign_to``) may be in a group: they keep the kinds that they are held against, and take part in those
    of the group as any other collection does.

    Args:
        settings: which groups there are.
        collections: the plan of every collection of the run.

    Raises:
        ConfigError: a group names a collection that is not there, or one with other features or detectors than the
            others; ``all`` of a single collection.
    """
    if settings.across == "all":
        if len(collections) < SMALLEST_GROUP:
            raise ConfigError([Mistake(KEY, "all is a group of one: a group needs two collections or more")])
        named = {ALL: tuple(sorted(collections))}
    else:
        named = {group_name(members): tuple(sorted(members)) for members in settings.across}
    mistakes = [mistake for members in named.values() for mistake in _mistakes(members, collections)]
    if mistakes:
        raise ConfigError(mistakes)
    return {name: _plan_group(name, members, collections) for name, members in sorted(named.items())}


def group_name(members: tuple[str, ...]) -> str:
    """The names of a group's collections, joined; of many, the first of them, how many others, and a digest of all."""
    first, *others = sorted(members)
    joined = "+".join((first, *others))
    if len(joined) <= LONGEST_NAME:
        return joined
    return f"{first}+{len(others)}-{sha256(joined.encode()).hexdigest()[:10]}"


def _plan_group(name: str, members: tuple[str, ...], collections: Mapping[str, CollectionPlan]) -> GroupPlan:
    detectors = collections[members[0]].detectors
    return GroupPlan(name, members, {detector.name: detector.folder for detector in detectors.values()})


def _mistakes(members: tuple[str, ...], collections: Mapping[str, CollectionPlan]) -> list[Mistake]:
    unknown = [name for name in members if name not in collections]
    if unknown:
        return [Mistake(KEY, f"unknown collection {name!r}; {suggestion(name, collections)}") for name in unknown]
    first, *others = (collections[name] for name in members)
    differing = ((other, _difference(first, other)) for other in others)
    return [
        Mistake(KEY, f"{other.name} does not compare with {first.name}: {difference}")
        for other, difference in differing
        if difference
    ]


def _difference(first: CollectionPlan, other: CollectionPlan) -> str:
    """What keeps the descriptors of two collections from being compared; nothing where they compare."""
    # The fingerprints of detectors cover all of this; the settings say what it is.
    ours, theirs = (planned.settings.features.model_dump(exclude={"device"}) for planned in (first, other))
    for key, value in ours.items():
        if theirs[key] != value:
            return f"its features.{key} is {_shown(theirs[key])}, not {_shown(value)}"
    if _folders(first) != _folders(other):
        return "their detectors, or the settings or layers of these, are not the same"
    return ""


def _folders(planned: CollectionPlan) -> set[str]:
    return {detector.folder for detector in planned.detectors.values()}


def _shown(value: object) -> str:
    return "null" if value is None else str(value)
