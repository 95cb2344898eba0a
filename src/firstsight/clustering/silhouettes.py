"""How much nearer descriptors are to their own cluster than to the next one (Rousseeuw, 1987)."""

import numpy as np
from numpy.typing import NDArray

from firstsight.clustering.merges import distances

ROWS_AT_A_TIME = 1_000


def silhouettes(
    descriptors: NDArray[np.float64], cluster: NDArray[np.int32], sample: NDArray[np.int64], number: int
) -> NDArray[np.float64]:
    """Silhouettes (N,) of all descriptors against those of a sample, some rows at a time.

    Args:
        descriptors: (N, D), finite.
        cluster: (N,) numbers 0 .. number - 1, each at least once in the sample.
        sample: indices of the descriptors of the sample.
        number: of clusters.
    """
    silhouette = np.zeros(len(descriptors))
    position = np.full(len(descriptors), -1)
    position[sample] = np.arange(len(sample))
    for start in range(0, len(descriptors), ROWS_AT_A_TIME):
        rows = slice(start, start + ROWS_AT_A_TIME)
        far = distances(descriptors[rows], descriptors[sample])
        silhouette[rows] = silhouettes_by_distance(far, cluster[rows], position[rows], cluster[sample], number)
    return silhouette


def mean_silhouette(far: NDArray[np.float64], cluster: NDArray[np.int32]) -> float:
    """The mean over n descriptors.

    Args:
        far: (n, n) distances.
        cluster: (n,) any whole numbers.
    """
    present, numbers = np.unique(cluster, return_inverse=True)
    codes: NDArray[np.int32] = numbers.astype(np.int32)
    return float(silhouettes_by_distance(far, codes, np.arange(len(far)), codes, len(present)).mean())


def silhouettes_by_distance(
    far: NDArray[np.float64],
    cluster: NDArray[np.int32],
    position: NDArray[np.int64],
    others: NDArray[np.int32],
    number: int,
) -> NDArray[np.float64]:
    """Silhouettes of n descriptors against m others.

    Args:
        far: (n, m) distances.
        cluster: (n,) of the descriptors.
        position: (n,) where among the others a descriptor is itself, -1 where it is not; it does not count for itself.
        others: (m,) clusters of the others.
        number: of clusters.

    Returns:
        (n,) in [-1, 1]; 0 for the only member of a cluster, and where there is only one cluster.
    """
    if number < 2:
        return np.zeros(len(far))
    belongs = np.zeros((len(others), number))
    belongs[np.arange(len(others)), others] = 1
    sums = far @ belongs
    rows = np.arange(len(far))
    sizes = belongs.sum(axis=0)
    companions = sizes[cluster] - (position >= 0)
    own = sums[rows, cluster] / np.maximum(companions, 1)
    # Every cluster has members in the sample, from which clusters come.
    means = sums / sizes
    means[rows, cluster] = np.inf
    next_nearest = means.min(axis=1)
    larger = np.maximum(own, next_nearest)
    defined = (companions > 0) & (larger > 0)
    return np.where(defined, (next_nearest - own) / np.where(larger > 0, larger, 1.0), 0.0).astype(np.float64)
