"""Stage cluster: the images of a collection, and their regions, sorted into kinds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas
from numpy.typing import NDArray

from firstsight.clustering.kinds import OTHER, Counted, Kinds, assign_kinds, fit_kinds
from firstsight.clustering.kinds_file import save_kinds, save_no_kinds
from firstsight.clustering.supported_kinds import Evidence
from firstsight.errors import FirstsightError
from firstsight.stages.job import Job
from firstsight.storage.archives import read_arrays
from firstsight.storage.json import read_json, write_json
from firstsight.storage.tables import read_table, write_table


def cluster_collection(
    *,
    descriptors: Sequence[Path],
    clusters: int | Literal["auto"],
    collection: str,
    detector: str,
    scores: Sequence[Path],
    truths: Sequence[Path],
    oracle: bool,
    regions: Sequence[Path],
    output: Path,
    summary: Path,
    region_clusters: Path,
    kinds: Path,
    job: Job,
) -> None:
    """Cluster the images of a collection by their descriptors, and tell the kind of each of their regions.

    Args:
        descriptors: npz files of all shards.
        clusters: ``auto``, or a number. If fewer images than that have a map, their number is taken instead, and the
            log says so.
        collection, detector: names for the table.
        scores: JSON score rows of all shards, which tell which images are normal.
        truths: JSON truth rows of all shards; only read for ``oracle``.
        oracle: whether the true number of labels is taken instead of ``clusters``.
        regions: parts of the table `regions`, one for each shard.
        output: Parquet table `clusters` to make.
        summary: JSON to make: n_clusters, n_outliers, and the criterion by which the number of clusters was chosen.
        region_clusters: Parquet table `regions` to make, of all shards, each region with its cluster.
        kinds: npz to make, by which `assign_collection` recognises the kinds in other images.

    Raises:
        FirstsightError: ``oracle``, but no image with a descriptor has a label.
    """
    images, values = read_descriptors(descriptors)
    job.n_images = len(images)
    counted: Counted = "oracle" if oracle else "estimated" if clusters == "auto" else "given"
    if oracle and images:
        clusters = _true_number(truths, images, collection)
    if isinstance(clusters, int) and clusters > len(images):
        job.note(f"{clusters} clusters were asked for, but only {len(images)} images have a map")
        clusters = len(images)
    if not images:
        write_table(output, "clusters", [])
        write_json(summary, {"n_clusters": 0, "n_outliers": 0, "criterion": "no image has a map"})
        write_table(region_clusters, "regions", region_rows(regions, [], None, OTHER))
        save_no_kinds(kinds)
        return
    with job.step("cluster"):
        fitted, clustering = fit_kinds(
            images,
            values,
            clusters,
            evidence=read_evidence(scores, images),
            counted=counted,
            collection=collection,
            detector=detector,
        )
    criterion = f"oracle: the true number of labels, {clusters}" if oracle else clustering.criterion
    if clusters not in ("auto", clustering.n_clusters):
        criterion = f"{criterion}; only {clustering.n_clusters} hold two images or more"
    outliers = int((clustering.cluster < 0).sum())
    job.note(f"{clustering.n_clusters} clusters: {criterion}; {outliers} images in none")
    names = {"collection": collection, "detector": detector}
    rows = cluster_rows(images, clustering.cluster, clustering.distance, fitted, OTHER, **names)
    for index, row in enumerate(rows):
        row |= {"silhouette": clustering.silhouette[index], "is_medoid": bool(clustering.is_medoid[index])}
    write_table(output, "clusters", rows)
    write_json(summary, {"n_clusters": clustering.n_clusters, "n_outliers": outliers, "criterion": criterion})
    with job.step("regions"):
        write_table(region_clusters, "regions", region_rows(regions, descriptors, fitted, OTHER))
    save_kinds(kinds, fitted)


def cluster_rows(
    images: Sequence[str],
    cluster: NDArray[np.integer],
    distance: NDArray[np.floating],
    kinds: Kinds,
    far: str,
    **names: str,
) -> list[dict[str, Any]]:
    """Rows of the table `clusters`, without silhouettes and medoids.

    Args:
        images: N of them.
        cluster: (N,) kinds; -1: the image is like none.
        distance: (N,) to the centres.
        kinds: that the images belong to.
        far: the name of the cluster -1.
        **names: collection and detector.
    """
    return [
        {
            **names,
            "image": image,
            "cluster": number,
            "cluster_name": kinds.name(number, far),
            "distance": to_centre,
            "silhouette": None,
            "is_medoid": False,
            "n_clusters_from": kinds.counted,
            "support": None if number < 0 else float(kinds.support[number]),
        }
        for image, number, to_centre in zip(images, cluster.tolist(), distance, strict=True)
    ]


def read_descriptors(shards: Sequence[Path]) -> tuple[list[str], NDArray[np.float64]]:
    """Image ids (N) and descriptors (N, W, C) of all shards, sorted by image: the order of shards does not matter."""
    images: list[str] = []
    values = []
    for path in shards:
        names, rows = read_arrays(path, "image", "descriptor")
        if len(names):
            images += [str(image) for image in names]
            values.append(rows)
    if not images:
        return [], np.zeros((0, 0, 0))
    order = np.argsort(np.array(images))
    return [images[index] for index in order], np.concatenate(values)[order].astype(np.float64)


def read_evidence(scores: Sequence[Path], images: Sequence[str]) -> Evidence:
    """What the JSON rows of all shards say of the images."""
    rows, rate = {}, None
    for path in scores:
        content = read_json(path)
        rate = content.get("rate")
        for row in content["rows"]:
            rows[row["image"]] = row
    columns = ([rows[image][name] for image in images] for name in ("anomalous_area", "p_value", "score"))
    areas, p_values, values = (np.array(column, dtype=np.float64) for column in columns)
    return Evidence(areas > 0, p_values, values, rate)


def region_rows(
    regions: Sequence[Path], descriptors: Sequence[Path], kinds: Kinds | None, far: str
) -> pandas.DataFrame:
    """Rows of the table `regions`, each region with the kind that its own descriptor belongs to.

    Args:
        regions: parts of the table.
        descriptors: npz files of all shards; they are read one at a time.
        kinds: from which each region gets one; None: no region has a cluster.
        far: the name of the cluster of a region that is like none of the kinds.
    """
    keys = ["image", "region"]
    parts = [read_table(path) for path in regions]
    table = pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame()
    region_kinds = []
    for path in descriptors if kinds else ():
        images, numbers, values = read_arrays(path, "region_image", "region_number", "region_descriptor")
        if len(images):
            assert kinds is not None
            cluster, _ = assign_kinds(kinds, values, of_regions=True)
            names = [kinds.name(int(number), far) for number in cluster]
            columns = (images.astype(object), numbers, cluster, names)
            region_kinds.append(pandas.DataFrame(dict(zip([*keys, "cluster", "cluster_name"], columns, strict=True))))
    if not region_kinds or table.empty:
        return table
    own = pandas.concat(region_kinds, ignore_index=True).astype({"cluster": "Int32"})
    joined = table.drop(columns=["cluster", "cluster_name"]).merge(own, on=keys, how="left", validate="one_to_one")
    return joined.sort_values(keys, kind="stable", ignore_index=True)


def _true_number(truths: Sequence[Path], images: Sequence[str], collection: str) -> int:
    """How many different labels the images have."""
    rows = [row for path in truths for row in read_json(path)]
    known = set(images)
    labels = {row["label"] for row in rows if row["image"] in known and row["label"] is not None}
    if not labels:
        raise FirstsightError(f"collection {collection}: clustering.oracle is set, but no image with a map has a label")
    return len(labels)
