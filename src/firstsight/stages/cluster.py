"""Stage cluster: the images of a collection sorted into kinds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.descriptors import normalise_descriptors
from firstsight.clustering.ward import cluster_descriptors
from firstsight.reports.tables import write_table
from firstsight.stages.job import Job, write_json


def cluster_collection(
    *,
    descriptors: Sequence[Path],
    clusters: int | Literal["auto"],
    collection: str,
    detector: str,
    output: Path,
    summary: Path,
    job: Job,
) -> None:
    """Cluster the images of a collection by their descriptors.

    Args:
        descriptors: npz files of all shards.
        clusters: ``auto``, or a number; a number beyond the images with a map is lowered to theirs, which the log says.
        collection, detector: names for the table.
        output: Parquet table `clusters` to make.
        summary: JSON to make: n_clusters, and by what criterion that number was found.
        job: where time and counts are noted.
    """
    images, values = read_descriptors(descriptors)
    job.n_images = len(images)
    if isinstance(clusters, int) and clusters > len(images):
        job.note(f"{clusters} clusters were asked for, but only {len(images)} images have a map")
        clusters = len(images)
    rows = []
    chosen = {"n_clusters": 0, "criterion": "no image has a map"}
    if images:
        with job.step("cluster"):
            found = cluster_descriptors(normalise_descriptors(values), clusters)
        chosen = {"n_clusters": found.n_clusters, "criterion": found.criterion}
        job.note(f"{found.n_clusters} clusters: {found.criterion}")
        for index, image in enumerate(images):
            number = int(found.cluster[index])
            rows.append(
                {
                    "collection": collection,
                    "image": image,
                    "detector": detector,
                    "cluster": number,
                    "cluster_name": f"cluster {number}",
                    "distance": found.distance[index],
                    "silhouette": found.silhouette[index],
                    "is_medoid": bool(found.is_medoid[index]),
                }
            )
    write_table(output, "clusters", rows)
    write_json(summary, chosen)


def read_descriptors(shards: Sequence[Path]) -> tuple[list[str], NDArray[np.float64]]:
    """Image ids (N) and descriptors (N, D) of all shards, sorted by image: the order of shards does not matter."""
    images: list[str] = []
    values = []
    for path in shards:
        with np.load(path, allow_pickle=False) as stored:
            if len(stored["image"]):
                images += [str(image) for image in stored["image"]]
                values.append(stored["descriptor"])
    if not images:
        return [], np.zeros((0, 0))
    order = np.argsort(np.array(images))
    return [images[index] for index in order], np.concatenate(values)[order]
