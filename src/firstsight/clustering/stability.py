"""Whether clusters are found again when some of the images are left out."""

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.descriptors import smooth_descriptors
from firstsight.clustering.merges import cut, link

DRAWS = 20
DRAWN_SHARE = 0.7
MOST_DRAWN = 500

LEAST_STABLE = 0.5
"""A cluster that is less stable is dissolved more often than it is found again (Hennig, 2007)."""


def stability(descriptors: NDArray[np.float64], cluster: NDArray[np.int32], *, seed: int) -> NDArray[np.float64]:
    """How well each cluster is found again among random parts of the descriptors: (K,) in [0, 1].

    Hennig, "Cluster-wise assessment of cluster stability", Computational Statistics and Data Analysis 52, 2007: 20
    times, seven tenths of the descriptors (at most 500) are drawn, smoothed, linked and cut into as many clusters; what
    was drawn of a cluster is compared with the most alike of these by Jaccard's index, the number in both divided by
    the number in either. The mean over the draws is the stability.

    Args:
        descriptors: (N, D), finite, as they are smoothed and linked.
        cluster: (N,) numbers 0 .. K - 1, -1 for those in no cluster.
        seed: of the draws.
    """
    number = int(cluster.max(initial=-1)) + 1
    count = int(np.ceil(min(DRAWN_SHARE * len(descriptors), MOST_DRAWN)))
    generator = np.random.default_rng(seed)
    found = np.full((DRAWS, number), np.nan)
    for draw in range(DRAWS if number else 0):
        chosen = np.sort(generator.choice(len(descriptors), count, replace=False))
        merges = link(smooth_descriptors(descriptors[chosen], seed=seed))
        again = np.eye(count)[cut(merges, min(number, count))]
        own = cluster[chosen][:, None] == np.arange(number)
        both = own.T.astype(float) @ again
        either = own.sum(axis=0)[:, None] + again.sum(axis=0) - both
        # A small cluster may have no member in a draw, which then says nothing of it.
        found[draw] = np.where(own.any(axis=0), (both / np.maximum(either, 1)).max(axis=1), np.nan)
    seen = np.isfinite(found)
    mean: NDArray[np.float64] = np.where(seen, found, 0.0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    return mean
