"""The rows of studies, and the files that they are read from."""

from dataclasses import dataclass
from pathlib import Path

from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan
from firstsight.plan.paths import CONTRASTIVE, paths_below


@dataclass(frozen=True)
class StudyRow:
    """The results of one detector on a collection.

    collection: its name.
    names: further columns that say what the row is about.
    detector: the one whose figures are read from ``metrics``.
    metrics: Parquet table with the columns detector, metric, value and crop.
    clusters: JSON of the clusters; None: no kinds were looked for.
    records: JSON records of all jobs that these results took, for their time.
    """

    collection: str
    names: dict[str, str | int | bool]
    detector: str
    metrics: Path
    clusters: Path | None
    records: tuple[Path, ...]

    @property
    def files(self) -> list[Path]:
        """All files that the row is read from."""
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
        kinds: the folder of the kinds found with its maps; None: the row is about the maps alone.
        **names: `StudyRow.names`.
    """
    paths = paths_below(results)
    wildcards: dict[str, str | None] = {"features": detector.features, "detector": detector.folder, "kinds": kinds}

    def of_it(pattern: str, name: str = collection.name) -> Path:
        return Path(pattern.format(collection=name, **wildcards))

    records = [of_it(paths.model_record, collection.known)] if detector.learns else []
    if not detector.reads_image:
        records += collection.of_shards(paths.features_record, **wildcards)
    records += collection.of_shards(paths.maps_record, **wildcards)
    if kinds:
        records += [of_it(paths.threshold_record), of_it(paths.clusters_record)]
        records += [of_it(paths.head_record)] if kinds == CONTRASTIVE else []
        records += collection.of_shards(paths.descriptors_record, **wildcards)
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
    detectors = compared_detectors(collection)
    return {name: collection.of_shards(maps, detector=detector.folder) for name, detector in detectors.items()}


def compared_detectors(collection: CollectionPlan) -> dict[str, DetectorPlan]:
    """The detectors that are compared on a collection; on a degraded copy those of its original."""
    return (collection.own if collection.degraded else collection.studies["compare"]).detectors
