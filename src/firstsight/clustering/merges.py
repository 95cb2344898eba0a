"""Ward's tree: which descriptors are joined, in what order, and the groups in which a cut leaves them."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import cdist, squareform

MANY_OTHERS = 1_000
"""Among so many descriptors distances are taken by a matrix product."""


def link(descriptors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join descriptors by Ward's minimum-variance linkage (Ward, 1963).

    Args:
        descriptors: (N, D), finite.

    Returns:
        (N - 1, 4) merges, see `scipy.cluster.hierarchy.linkage`; none of fewer than two descriptors.
    """
    if len(descriptors) < 2:
        return np.empty((0, 4))
    far = descriptors
    if len(descriptors) > MANY_OTHERS:
        far = squareform(distances(descriptors, descriptors), checks=False)
    merges: NDArray[np.float64] = linkage(far, "ward")
    return merges


def cut(merges: NDArray[np.float64], number: int) -> NDArray[np.int32]:
    """Undo the last number - 1 merges: (N,) clusters in order of their first members.

    Exactly `number` clusters even where merges have equal heights, which a cut at a height cannot promise.
    """
    count = len(merges) + 1
    if number == 0:
        return np.empty(0, dtype=np.int32)
    parent = np.arange(2 * count - 1)
    for index, (left, right) in enumerate(merges[: count - number, :2].astype(np.int64)):
        parent[left] = parent[right] = count + index
    # A merge has a higher index than its parts, so going down every node finds its parent resolved.
    for node in range(2 * count - 2, -1, -1):
        parent[node] = parent[parent[node]]
    _, first, cluster = np.unique(parent[:count], return_index=True, return_inverse=True)
    order: NDArray[np.int32] = np.argsort(np.argsort(first)).astype(np.int32)
    return order[cluster]


def cut_to_size(merges: NDArray[np.float64], number: int, smallest: int) -> tuple[NDArray[np.int32], int]:
    """Cut as little as gives `number` clusters of at least `smallest` members: (N,) clusters, -1 in others; how many.

    Where there are never so many, cut as little as gives the most.
    """
    count = len(merges) + 1
    sizes = np.concatenate([np.ones(count), merges[:, 3]])
    parts = sizes[merges[::-1, :2].astype(np.int64)] >= smallest
    # Undoing a merge of a cluster that is large enough takes that one away and adds those of its parts that are.
    large = 1 + np.cumsum(np.concatenate([[0], parts.sum(axis=1) - (merges[::-1, 3] >= smallest)]))
    enough = np.flatnonzero(large >= number)
    undone = int(enough[0]) if len(enough) else int(np.argmax(large))
    cluster = cut(merges, undone + 1)
    if undone == 0:
        return cluster, 1
    kept = np.bincount(cluster) >= smallest
    numbers = np.where(kept, np.cumsum(kept) - 1, -1).astype(np.int32)
    return numbers[cluster], int(kept.sum())


def distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Euclidean distances (n, m)."""
    if len(right) <= MANY_OTHERS:
        return cdist(left, right)
    far: NDArray[np.float64] = np.sqrt(squared_distances(left, right))
    return far


def squared_distances(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Squared Euclidean distances of (n, D) from (m, D): (n, m), not negative.

    By a matrix product, for long descriptors many times faster than `cdist`; but rounding sets equal descriptors some
    1e-8 of their length apart.
    """
    squared: NDArray[np.float64] = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * (left @ right.T)
    return np.maximum(squared, 0.0)
