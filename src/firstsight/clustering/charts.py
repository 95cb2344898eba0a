"""Descriptors to look at: laid on a plane, and as the tree that Ward's linkage builds."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram, linkage, to_tree

FEWEST_FOR_TSNE = 50
"""With fewer descriptors, principal components show more faithfully which ones are near to each other."""

PERPLEXITY = 30.0
"""As in van der Maaten and Hinton, 2008, who found the results much the same from 5 to 50."""

MOST_LEAVES = 40


def lay_on_plane(descriptors: NDArray[np.floating], *, seed: int = 0) -> tuple[NDArray[np.float64], str]:
    """Lay descriptors on a plane so that near ones stay near.

    50 or more are laid out by t-SNE (van der Maaten and Hinton, 2008), which starts from the principal components.
    Fewer show the first two principal components themselves, each with the sign that makes its largest coordinate
    positive.

    Args:
        descriptors: (N, D), finite.
        seed: of t-SNE.

    Returns:
        points: (N, 2), centred.
        method: "t-SNE" or "principal components".
    """
    if len(descriptors) == 0:
        return np.zeros((0, 2)), "principal components"
    centred = np.asarray(descriptors, dtype=np.float64) - np.mean(descriptors, axis=0)
    # Equal descriptors have no neighbourhoods that t-SNE could keep.
    if len(centred) >= FEWEST_FOR_TSNE and np.ptp(centred, axis=0).any():
        # Importing scikit-learn takes a second, and small collections need none of it.
        from sklearn.manifold import TSNE  # noqa: PLC0415

        perplexity = min(PERPLEXITY, (len(centred) - 1) / 3)
        points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(centred)
        return points - points.mean(axis=0, dtype=np.float64), "t-SNE"
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    points = np.zeros((len(centred), 2))
    points[:, : min(2, len(values))] = (left * values)[:, :2]
    largest = points[np.abs(points).argmax(axis=0), [0, 1]]
    return points * np.where(largest < 0, -1, 1), "principal components"


def ward_tree(descriptors: NDArray[np.floating], cluster: NDArray[np.integer]) -> dict[str, Any] | None:
    """The upper part of the tree of Ward's linkage, down to 40 leaves.

    Args:
        descriptors: (N, D), finite.
        cluster: (N,) the cluster of each descriptor.

    Returns:
        None for fewer than two descriptors, otherwise
        leaves: from left to right; for each leaf its images (how many it stands for) and the cluster of most of them.
        joins: for each join x (left, right) in leaves, counted from 0 at the first leaf; low (left, right) and high,
            the distances at which its two branches begin and meet.
    """
    if len(descriptors) < 2:
        return None
    merges = linkage(descriptors, "ward")
    drawn = dendrogram(merges, p=MOST_LEAVES, truncate_mode="lastp", no_plot=True)
    nodes = to_tree(merges, rd=True)[1]
    leaves = []
    for number in drawn["leaves"]:
        numbers, counts = np.unique(cluster[nodes[number].pre_order()], return_counts=True)
        leaves.append({"images": int(counts.sum()), "cluster": int(numbers[counts.argmax()])})
    # SciPy draws leaves at 5, 15, 25, and so on.
    joins = [
        {"x": [(x[0] - 5) / 10, (x[2] - 5) / 10], "low": [y[0], y[3]], "high": y[1]}
        for x, y in zip(drawn["icoord"], drawn["dcoord"], strict=True)
    ]
    return {"leaves": leaves, "joins": joins}
