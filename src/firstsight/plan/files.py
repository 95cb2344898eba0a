"""The files of a run: patterns of `firstsight.plan.paths`, filled in for what is planned."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from firstsight.collections.unread import tell_unread, unread_rows
from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan
from firstsight.plan.paths import Paths
from firstsight.plan.run import Plan

Chooser = Callable[[CollectionPlan, DetectorPlan], bool]


def everywhere(plan: Plan, pattern: str, *, only: Chooser = lambda collection, detector: True) -> list[str]:
    """The pattern for all collections, and for their shards, features, detectors and kinds where it has these.

    Args:
        plan: of the run.
        pattern: with wildcards in braces, for which each collection has values.
        only: which detectors count; it gets each with its collection.

    Returns:
        Paths, none of them twice: by collection, then shard, then detector.
    """
    paths = []
    for name, collection in plan.collections.items():
        chosen = [detector for detector in collection.detectors.values() if only(collection, detector)]
        for shard in collection.shards if "{shard}" in pattern else ("",):
            for detector in chosen:
                paths.append(
                    pattern.format(
                        collection=name,
                        shard=shard,
                        features=detector.features,
                        detector=detector.folder,
                        kinds=collection.kinds,
                    )
                )
    return list(dict.fromkeys(paths))


def of_references(plan: Plan, pattern: str) -> list[str]:
    """The pattern for the shards of reference images of all collections that a detector of the config learns from."""
    paths = []
    for name, collection in plan.collections.items():
        for detector in collection.detectors.values():
            if detector.normal and not collection.is_new:
                shards = collection.reference_shards
                paths += [pattern.format(collection=name, features=detector.features, shard=shard) for shard in shards]
    return list(dict.fromkeys(paths))


def records(plan: Plan, paths: Paths) -> list[str]:
    """The records of all jobs of the run that become rows of the table ``runs``."""
    return [
        *everywhere(plan, paths.manifest_record),
        *everywhere(plan, paths.truth_record),
        *everywhere(plan, paths.scale_record, only=lambda collection, detector: not collection.is_new),
        *everywhere(plan, paths.features_record),
        *everywhere(plan, paths.tuned_record, only=_tunes),
        *of_references(plan, paths.manifest_record),
        *of_references(plan, paths.features_record),
        *everywhere(plan, paths.model_record, only=_learns),
        *everywhere(plan, paths.head_record, only=_has_head),
        *everywhere(plan, paths.maps_record),
        *everywhere(plan, paths.threshold_record),
        *everywhere(plan, paths.descriptors_record),
        *everywhere(plan, paths.clusters_record),
        *everywhere(plan, paths.metrics_record),
    ]


@dataclass(frozen=True)
class ImageParts:
    """The files from which the rows of one collection in the table ``images`` are joined.

    manifests, truths: shard by shard.
    scores: those of each detector that runs on the collection, shard by shard.
    contents: from which copies are found, shard by shard.
    """

    collection: str
    manifests: list[Path]
    truths: list[Path]
    scores: dict[str, list[Path]]
    contents: list[Path] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """All of them."""
        return [*self.manifests, *self.truths, *self.contents, *chain.from_iterable(self.scores.values())]


def parts_of_images(plan: Plan, paths: Paths) -> list[ImageParts]:
    """The parts of the table ``images``, collection by collection."""
    return [
        ImageParts(
            collection=name,
            manifests=collection.of_shards(paths.manifest),
            truths=collection.of_shards(paths.truth),
            scores={
                detector.name: collection.of_shards(paths.scores, detector=detector.folder, kinds=collection.kinds)
                for detector in collection.detectors.values()
            },
            contents=collection.of_shards(paths.contents),
        )
        for name, collection in plan.collections.items()
    ]


def rows_of_unread(plan: Plan) -> list[dict[str, Any]]:
    """The rows of the table ``unread``."""
    return [row for name, collection in plan.collections.items() for row in unread_rows(name, collection.unread)]


def _tunes(collection: CollectionPlan, detector: DetectorPlan) -> bool:
    return collection.tuning_of(detector.features) is not None and not collection.is_new


def _learns(collection: CollectionPlan, detector: DetectorPlan) -> bool:
    return detector.learns and not collection.is_new


def _has_head(collection: CollectionPlan, detector: DetectorPlan) -> bool:
    return collection.settings.clustering.contrastive and not collection.is_new


def collections_of_page(plan: Plan, paths: Paths) -> list[dict[str, Any]]:
    """What the page says of each collection besides its tables, for `firstsight.stages.page.make_page`."""
    return [
        {
            "name": name,
            "path": str(collection.settings.path or f"demo, cut from {collection.settings.texture}"),
            "extractor": collection.settings.features.extractor,
            "weights": collection.weights,
            "scale": paths.scale_record.format(collection=collection.known, features=collection.features_folder),
            "set_aside": list(collection.own.set_aside.values()),
            "unread": tell_unread(collection.unread),
            "remarks": list(collection.remarks),
            "truth": paths.truth_record.format(collection=name, shard=next(iter(collection.shards))),
            "detectors": [_detector_of_page(collection, detector, paths) for detector in collection.detectors.values()],
        }
        for name, collection in plan.collections.items()
    ]


def _detector_of_page(collection: CollectionPlan, detector: DetectorPlan, paths: Paths) -> dict[str, Any]:
    def of_this(pattern: str) -> str:
        return pattern.format(collection=collection.name, detector=detector.folder, kinds=collection.kinds)

    model = paths.model_summary.format(collection=collection.known, detector=detector.folder)
    return {
        "name": detector.name,
        "settings": ", ".join(f"{key} {value}" for key, value in detector.settings.items() if value is not None),
        "threshold": of_this(paths.threshold),
        "overlays": of_this(paths.overlays_of_all_shards),
        "colour_bar": of_this(paths.colour_bar),
        "clusters": of_this(paths.clusters_summary),
        "charts": of_this(paths.charts),
        "model": model if detector.learns else None,
    }
