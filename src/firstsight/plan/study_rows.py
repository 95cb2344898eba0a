"""The rows that studies are made of, and where the files lie that they are read from."""

from dataclasses import dataclass
from pathlib import Path

from firstsight.plan.collections import CollectionPlan
from firstsight.plan.detectors import DetectorPlan

PLAIN, CONTRASTIVE = "kinds", "contrastive_kinds"
"""Folders of the kinds of anomaly: from descriptors of the features as they are, or by the contrastive head."""


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
    own, shards = results / collection.settings.name, collection.shards
    folder = own / "detectors" / detector.folder
    records = [results / collection.known / "detectors" / detector.folder / "model.run.json"] if detector.learns else []
    if not detector.reads_image:
        records += [own / "features" / detector.features / f"{shard}.run.json" for shard in shards]
    records += [folder / "maps" / f"{shard}.run.json" for shard in shards]
    if kinds:
        records += [folder / "threshold.run.json", folder / kinds / "clusters.run.json"]
        records += [folder / kinds / "head.run.json"] if kinds == CONTRASTIVE else []
        records += [folder / kinds / "descriptors" / f"{shard}.run.json" for shard in shards]
    return StudyRow(
        collection=collection.known if is_copy(collection) else collection.settings.name,
        names=names,
        detector=detector.name,
        metrics=folder / kinds / "metrics.parquet" if kinds else own / "comparison/localization.parquet",
        clusters=folder / kinds / "clusters.json" if kinds else None,
        records=tuple(records),
    )


def stores_of_maps(results: Path, collection: CollectionPlan) -> dict[str, list[Path]]:
    """The maps of every detector that is compared on a collection, shard by shard."""
    folder = results / collection.settings.name / "detectors"
    return {
        name: [folder / detector.folder / "maps" / f"{shard}.zarr.zip" for shard in collection.shards]
        for name, detector in compared_detectors(collection).items()
    }


def compared_detectors(collection: CollectionPlan) -> dict[str, DetectorPlan]:
    """The detectors that are compared on a collection; on a degraded copy those of its original."""
    return (collection.own if is_copy(collection) else collection.studies["compare"]).detectors


def is_copy(collection: CollectionPlan) -> bool:
    """Whether a collection is a degraded copy of another."""
    return collection.settings.layout == "degraded"
