"""The rows that studies are made of, and where the files lie that they are read from."""

from dataclasses import dataclass
from pathlib import Path

from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan
from firstsight.plan.paths import CONTRASTIVE, paths_below


@dataclass(frozen=True)
class StudyRow:
    """What one detector found in a collection.

    collection: its name.
    names: the further columns that say what the row is of.
    detector: whose figures in ``metrics`` are meant.
    metrics: Parquet table with the columns detector, metric, value and crop.
    clusters: JSON of the clusters, where kinds were looked for.
    records: JSON records of all jobs that led there, for their time.
    """

    collection: str
    names: dict[str, str | int | bool]
    detector: str
    metrics: Path
    clusters: Path | None
    records: tuple[Path, ...]

    @property
    def files(self) -> list[Path]:
        """All that the row is read from."""
        return [self.metrics, *([self.clusters] if self.clusters else []), *self.records]


def study_row(
    results: Path,
    collection: CollectionPlan,
    detector: DetectorPlan,
    kinds: str | None = None,
    /,
    **names: str | int | bool,
) -> StudyRow:
    """The row of a detector on a collection or on a degraded copy.

    Args:
        results: where the results of the run lie.
        collection, detector: what the row is about.
        kinds: the folder of the kinds that its maps led to; None: the row is about the maps alone.
        **names: `StudyRow.names`.
    """
    paths = paths_below(results)
    names_in_paths = {
        "collection": collection.name,
        "features": detector.features,
        "detector": detector.folder,
        "kinds": kinds,
    }

    def of_all(pattern: str) -> list[Path]:
        return [Path(pattern.format(**names_in_paths, shard=shard)) for shard in collection.shards]

    def of_it(pattern: str, **others: str) -> Path:
        return Path(pattern.format(**names_in_paths | others))

    records = [of_it(paths.model_record, collection=collection.known)] if detector.learns else []
    if not detector.reads_image:
        records += of_all(paths.features_record)
    records += of_all(paths.maps_record)
    if kinds:
        records += [of_it(paths.threshold_record), of_it(paths.clusters_record)]
        records += [of_it(paths.head_record)] if kinds == CONTRASTIVE else []
        records += of_all(paths.descriptors_record)
    return StudyRow(
        collection=collection.known if collection.degraded else collection.name,
        names=names,
        detector=detector.name,
        metrics=of_it(paths.metrics if kinds else paths.comparison),
        clusters=of_it(paths.clusters_summary) if kinds else None,
        records=tuple(records),
    )


def stores_of_maps(results: Path, collection: CollectionPlan) -> dict[str, list[Path]]:
    """The maps of every detector that is compared on a collection, shard by shard."""
    maps = paths_below(results).maps
    return {
        name: [
            Path(maps.format(collection=collection.name, detector=detector.folder, shard=shard))
            for shard in collection.shards
        ]
        for name, detector in compared_detectors(collection).items()
    }


def compared_detectors(collection: CollectionPlan) -> dict[str, DetectorPlan]:
    """The detectors that are compared on a collection; on a degraded copy those of its original."""
    return (collection.own if collection.degraded else collection.studies["compare"]).detectors
