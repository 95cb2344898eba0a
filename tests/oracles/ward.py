"""Ward's clustering and silhouettes from their definitions."""

import numpy as np
from numpy.typing import NDArray


def scatter(descriptors: NDArray) -> float:
    """Sum of squared distances to the mean."""
    return float(((descriptors - descriptors.mean(axis=0)) ** 2).sum())


def slow_ward(descriptors: NDArray, number: int) -> NDArray:
    """Merge the two clusters whose union adds least to the scatter, until `number` are left; largest first."""
    groups = [[index] for index in range(len(descriptors))]
    while len(groups) > number:
        best = (np.inf, 0, 0)
        for i in range(len(groups)):
            for j in range(i):
                union = scatter(descriptors[groups[i] + groups[j]])
                added = union - scatter(descriptors[groups[i]]) - scatter(descriptors[groups[j]])
                if added < best[0]:
                    best = (added, i, j)
        _, i, j = best
        groups[j] += groups.pop(i)
    groups.sort(key=lambda group: (-len(group), min(group)))
    cluster = np.empty(len(descriptors), dtype=int)
    for index, group in enumerate(groups):
        cluster[group] = index
    return cluster


def slow_silhouettes(descriptors: NDArray, cluster: NDArray) -> NDArray:
    """Rousseeuw's silhouettes, one descriptor at a time."""
    silhouettes = []
    for index, point in enumerate(descriptors):
        distances = {
            other: np.linalg.norm(descriptors[members[members != index]] - point, axis=1)
            for other in np.unique(cluster)
            for members in [np.flatnonzero(cluster == other)]
        }
        own = distances.pop(cluster[index])
        if not len(own) or not distances:
            silhouettes.append(0.0)
            continue
        a, b = np.mean(own), min(np.mean(other) for other in distances.values())
        silhouettes.append((b - a) / max(a, b) if max(a, b) > 0 else 0.0)
    return np.array(silhouettes)
