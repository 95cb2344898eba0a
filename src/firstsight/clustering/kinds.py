"""The kinds of anomaly in a collection: found once, and recognised in other images.

An image that is like no other is an outlier and belongs to no kind; so is an image that ends up alone in its cluster. A
later image that is farther from its nearest known image than nearly all of those are from each other is of an unknown
kind. Both have the cluster `FAR`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from firstsight.clustering.descriptors import random_sample
from firstsight.clustering.grouping import group_images
from firstsight.clustering.isolation import conformal_p_values, isolated_descriptors, isolation_of
from firstsight.clustering.merges import squared_distances
from firstsight.clustering.normalisation import Normalisation, fit_normalisation, join_weightings, root_descriptors
from firstsight.clustering.supported_kinds import Evidence
from firstsight.clustering.ward import LARGEST_LINKAGE, Clustering, measure_clusters
from firstsight.errors import FirstsightError

FAR = -1
"""The cluster of images that are in no kind, and of those of an unknown kind."""

NORMAL = "normal"
OTHER = "other"
UNKNOWN = "unknown"

UNKNOWN_RATE = 0.05
"""Share of new images of known kinds that may be called unknown."""

ROWS_AT_A_TIME = 1_000

Counted = Literal["estimated", "given", "oracle"]
"""Where the number of kinds came from."""


@dataclass(frozen=True)
class Kinds:
    """What is known of a collection's K kinds.

    Attributes:
        normalisation: the units of its descriptors.
        centres: (K, W * C) of the kinds, among normalised descriptors.
        known: (M, W, C) float32, rooted descriptors of the images that the kinds were fitted on (of a `random_sample`
            where there are many), without outliers and repetitions.
        isolation, isolation_of_directions: (M,) the distance from each known descriptor to the nearest other one, of
            rooted and of normalised descriptors, but at least a quarter of the usual distance between two; infinite
            where there is only one.
        images, cluster, distance: (N,) the images that the kinds were fitted on, the kind of each, and its distance
            from the centre.
        medoids: (K,) the image in the middle of each kind.
        names: (K,) what the kinds are called: "normal" or "cluster <number>" until a person names them.
        normal: the kind without anomalies, where there is one.
        support: (K,) how well a kind is found again in parts of the collection, see `Sorted`; NaN if not asked.
        counted: where their number came from.
        collection, detector: whose images these are.
    """

    normalisation: Normalisation
    centres: NDArray[np.float64]
    known: NDArray[np.float32]
    isolation: NDArray[np.float64]
    isolation_of_directions: NDArray[np.float64]
    images: tuple[str, ...]
    cluster: NDArray[np.int32]
    distance: NDArray[np.float64]
    medoids: tuple[str, ...]
    names: tuple[str, ...]
    normal: int | None
    support: NDArray[np.float64]
    counted: Counted
    collection: str
    detector: str

    def name(self, cluster: int, far: str) -> str:
        """What a cluster is called; ``far`` is the name of `FAR`."""
        return far if cluster == FAR else self.names[cluster]


def fit_kinds(
    images: Sequence[str],
    descriptors: NDArray[np.floating],
    clusters: int | Literal["auto"] = "auto",
    *,
    evidence: Evidence | None = None,
    normalisation: Normalisation | None = None,
    counted: Counted | None = None,
    collection: str = "",
    detector: str = "",
    seed: int = 0,
    largest_linkage: int = LARGEST_LINKAGE,
) -> tuple[Kinds, Clustering]:
    """Sort the images of a collection into kinds.

    Isolated images (`isolated_descriptors`) are set aside as outliers. Ward's linkage groups the smoothed descriptors
    of the others into kinds of 2 images or more, see `group_images`; a single image that it splits off is an outlier
    too.

    Args:
        images: (N,) their names, all different, at least one.
        descriptors: (N, W, C), finite, not normalised.
        clusters: how many kinds, 1 .. N, or "auto". Where fewer kinds can have 2 images, as many as can.
        evidence: what scores say of the images, which are grouped by it too.
        normalisation: the units of the descriptors; by default those of all that are not isolated.
        counted: where ``clusters`` came from, unless "given" by a user.
        collection, detector: names to keep.
        seed, largest_linkage: see `cluster_descriptors`.

    Returns:
        The kinds, and the clustering of the N images.

    Raises:
        FirstsightError: shapes do not match, a value is not finite, or the number of kinds is not possible.
    """
    if len(images) != len(descriptors) or len(images) == 0:
        raise FirstsightError(f"{len(descriptors)} descriptors of {len(images)} images cannot be sorted into kinds")
    isolated = isolated_descriptors(descriptors, seed=seed)
    kept = np.flatnonzero(~isolated)
    normalisation = normalisation or fit_normalisation(descriptors[kept])
    rooted = root_descriptors(descriptors, normalisation)
    unit = join_weightings(rooted)
    if clusters != "auto" and not isinstance(clusters, bool) and len(kept) < clusters <= len(images):
        clusters = len(kept)
    found = group_images(descriptors, unit, isolated, clusters, evidence, seed=seed, largest_linkage=largest_linkage)
    cluster, normal = found.cluster, found.normal
    # A kind may have no image in the sample.
    sample = np.union1d(random_sample(len(images), seed), np.unique(cluster, return_index=True)[1])
    clustering = measure_clusters(unit, cluster, len(found.support), found.criterion, sample)

    known = _remembered(rooted[cluster != FAR], seed)
    medoids = sorted(np.flatnonzero(clustering.is_medoid).tolist(), key=lambda index: int(cluster[index]))
    kinds = Kinds(
        normalisation=normalisation,
        centres=clustering.centres,
        known=known,
        isolation=isolation_of(_flat(known)),
        isolation_of_directions=isolation_of(join_weightings(known.astype(np.float64))),
        images=tuple(images),
        cluster=cluster,
        distance=clustering.distance,
        medoids=tuple(images[index] for index in medoids),
        names=tuple(NORMAL if number == normal else f"cluster {number}" for number in range(clustering.n_clusters)),
        normal=normal,
        support=found.support,
        counted=counted or ("estimated" if clusters == "auto" else "given"),
        collection=collection,
        detector=detector,
    )
    return kinds, clustering


def assign_kinds(
    kinds: Kinds, descriptors: NDArray[np.floating], *, of_regions: bool = False
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Recognise known kinds in new images, or in regions of images.

    A descriptor belongs to the kind with the nearest centre, unless it is like no known image. Whether it is, a
    conformal p-value tells (Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005): the share of
    the known images, and of the new one, that are as far from their nearest as the new one is. Of an image it must
    exceed `UNKNOWN_RATE`, so about this share of images of known kinds are called unknown, and a few odd ones among the
    known do not matter. Where fewer than 19 are known, and for regions, which are not drawn as images are, it must only
    exceed the least that is possible: unknown is what is farther away than all.

    Images are compared in strength too, but regions in direction alone: without the calm cells around it, a region is
    stronger than any image. No region is normal, where there are other kinds.

    Args:
        kinds: of `fit_kinds`.
        descriptors: (n, W, C), finite, not normalised; made with the levels of the collection of the kinds.
        of_regions: whether the descriptors are of regions.

    Returns:
        cluster: (n,) int32, `FAR` for an unknown kind.
        distance: (n,) to the nearest centre.

    Raises:
        FirstsightError: the descriptors have other shapes, or a value is not finite.
    """
    cluster = np.empty(len(descriptors), dtype=np.int32)
    distance = np.empty(len(descriptors))
    directions = join_weightings(kinds.known.astype(np.float64))
    known, isolation = (
        (directions, kinds.isolation_of_directions) if of_regions else (_flat(kinds.known), kinds.isolation)
    )
    rate = 0.0 if of_regions else UNKNOWN_RATE
    for start in range(0, len(descriptors), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        rooted = root_descriptors(descriptors[rows], kinds.normalisation)
        unit = join_weightings(rooted)
        from_centres = cdist(unit, kinds.centres)
        if of_regions and kinds.normal is not None and len(kinds.centres) > 1:
            from_centres[:, kinds.normal] = np.inf
        nearest = np.sqrt(squared_distances(unit if of_regions else _flat(rooted), known).min(axis=1))
        unknown = conformal_p_values(nearest, isolation) <= max(rate, 1 / (len(isolation) + 1))
        cluster[rows] = np.where(unknown, FAR, from_centres.argmin(axis=1))
        distance[rows] = from_centres.min(axis=1)
    return cluster, distance


def _flat(rooted: NDArray[np.floating]) -> NDArray[np.float64]:
    return rooted.reshape(len(rooted), -1).astype(np.float64)


def _remembered(rooted: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    """(M, W, C) float32: a sample of the descriptors without repetitions."""
    sample = rooted[random_sample(len(rooted), seed)].astype(np.float32)
    return np.unique(sample, axis=0)
