"""Which images of a collection belong together: by what they look like, and by what scores say of them."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.descriptors import smooth_descriptors
from firstsight.clustering.supported_kinds import SMALLEST_KIND, Evidence, Sorted, sort_by_evidence, with_evidence
from firstsight.clustering.ward import Clustering, cluster_descriptors

LARGEST_SHARE_OF_OTHERS = 1 / 3
"""Of images that are not normal, up to which they are grouped among themselves where the number of kinds is given."""


def group_images(
    descriptors: NDArray[np.floating],
    directions: NDArray[np.float64],
    isolated: NDArray[np.bool_],
    clusters: int | Literal["auto"],
    evidence: Evidence | None,
    *,
    seed: int,
    largest_linkage: int,
) -> Sorted:
    """Group all images that are not isolated by Ward's linkage, and by evidence where there is some.

    With "auto", evidence tells which groups are normal and which are kinds (`sort_by_evidence`). Where a number is
    given, there are as many groups, and one of them may be normal (`normal_cluster`). Ward's linkage splits what is
    many, though, and would split the normal images of a collection that has few others. So where two thirds or more
    are normal with "auto", these are one kind, and the others, isolated or not, are grouped without them.

    Args:
        descriptors: (N, W, C), finite, not normalised.
        directions: (N, D) by which they are compared, see `join_weightings`.
        isolated: (N,) images that are like no other.
        clusters: how many kinds, 1 or more, or "auto".
        evidence: of the images, if any.
        seed, largest_linkage: see `cluster_descriptors`.

    Raises:
        FirstsightError: the number of kinds is not possible.
    """
    compared = directions if evidence is None else with_evidence(directions, evidence)
    kept = np.flatnonzero(~isolated)

    def group(members: NDArray[np.int64], number: int | Literal["auto"]) -> Clustering:
        return cluster_descriptors(
            compared[members],
            number,
            linked_by=smooth_descriptors(compared[members], seed=seed),
            may_be_one=evidence is None,
            smallest=SMALLEST_KIND,
            seed=seed,
            largest_linkage=largest_linkage,
        )

    def among_all(cluster: NDArray[np.int32], members: NDArray[np.int64]) -> NDArray[np.int32]:
        all_images = np.full(len(directions), -1, dtype=np.int32)
        all_images[members] = cluster
        return all_images

    if evidence is not None and clusters != "auto":
        found = group_images(
            descriptors, directions, isolated, "auto", evidence, seed=seed, largest_linkage=largest_linkage
        )
        others, largest = np.flatnonzero(found.cluster != found.normal), LARGEST_SHARE_OF_OTHERS * len(directions)
        if found.normal is not None and 0 < SMALLEST_KIND * (clusters - 1) <= len(others) <= largest:
            parted = group(others, clusters - 1)
            cluster = among_all(np.where(parted.cluster < 0, -1, parted.cluster + 1), others)
            cluster[found.cluster == found.normal] = 0
            support = np.full(parted.n_clusters + 1, np.nan)
            return Sorted(cluster, 0, support, f"{clusters} given, the normal images one of them")

    grouped = group(kept, clusters)
    if evidence is not None and clusters == "auto":
        found = sort_by_evidence(descriptors[kept], compared[kept], grouped, evidence.of(kept), seed=seed)
        return found._replace(cluster=among_all(found.cluster, kept))
    normal = None if evidence is None else normal_cluster(grouped.cluster, evidence.of(kept))
    return Sorted(among_all(grouped.cluster, kept), normal, np.full(grouped.n_clusters, np.nan), grouped.criterion)


def normal_cluster(cluster: NDArray[np.int32], evidence: Evidence) -> int | None:
    """The cluster of normal images: fewer than half of its members are anomalous.

    Of several such clusters, the one with the lowest median score (the first of equals).

    Args:
        cluster: (N,), -1 for images in no cluster.
        evidence: of the images.
    """
    candidates = [
        (float(np.median(evidence.scores[members])), number)
        for number in range(int(cluster.max(initial=-1)) + 1)
        for members in [cluster == number]
        if np.mean(evidence.anomalous[members]) < 0.5
    ]
    return min(candidates)[1] if candidates else None
