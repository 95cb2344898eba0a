"""Stage assign: the images of a collection, and their regions, compared with kinds that are known."""

from collections.abc import Sequence
from pathlib import Path

from firstsight.clustering.kinds import UNKNOWN, assign_kinds
from firstsight.clustering.kinds_file import load_kinds
from firstsight.clustering.names import name_kinds, read_names
from firstsight.stages.cluster import cluster_rows, read_descriptors, region_rows
from firstsight.stages.job import Job
from firstsight.storage.json import write_json
from firstsight.storage.tables import write_table


def assign_collection(
    *,
    descriptors: Sequence[Path],
    kinds: Path,
    collection: str,
    detector: str,
    regions: Sequence[Path],
    output: Path,
    summary: Path,
    region_clusters: Path,
    job: Job,
    names: Path | None = None,
) -> None:
    """Tell for each image of a collection, and for each region, to which of the known kinds it belongs, if to any.

    The descriptors must come from the same features as those of the kinds, with the threshold (and its levels) of
    the collection that the kinds were learned from.

    Args:
        descriptors: npz files of all shards.
        kinds: npz that `cluster_collection` wrote.
        collection, detector: names for the table.
        regions: parts of the table `regions`, one for each shard.
        output: Parquet table `clusters` to make; the numbers are those of the kinds, -1 and "unknown" where an image is
            far from all. There are no medoids and no silhouettes.
        summary: JSON to make: n_clusters (known kinds that some image belongs to), n_outliers (images of an unknown
            kind) and criterion.
        region_clusters: Parquet table `regions` to make, of all shards, each region with its cluster.
        names: CSV of `firstsight.clustering.names`; the names given to the kinds hold here too.

    Raises:
        FirstsightError: kinds or names that cannot be read, or descriptors of other features.
    """
    known = load_kinds(kinds)
    if names:
        known = name_kinds(known, read_names(names))
    images, values = read_descriptors(descriptors)
    job.n_images = len(images)
    with job.step("assign"):
        cluster, distance = assign_kinds(known, values)
    rows = cluster_rows(images, cluster, distance, known, UNKNOWN, collection=collection, detector=detector)
    met, far = len(set(cluster[cluster >= 0].tolist())), int((cluster < 0).sum())
    criterion = f"{met} of the {len(known.centres)} kinds of {known.collection}, {known.detector}"
    job.note(f"{criterion}; {far} images of an unknown kind")
    write_table(output, "clusters", rows)
    write_json(summary, {"n_clusters": met, "n_outliers": far, "criterion": criterion})
    with job.step("regions"):
        write_table(region_clusters, "regions", region_rows(regions, descriptors, known, UNKNOWN))
