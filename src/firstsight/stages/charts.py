"""Stage charts: the descriptors of a collection as the page draws them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from firstsight.clustering.charts import lay_on_plane, ward_tree
from firstsight.clustering.descriptors import smooth_descriptors
from firstsight.clustering.normalisation import fit_normalisation, join_weightings, root_descriptors
from firstsight.stages.job import Job
from firstsight.storage.archives import read_arrays
from firstsight.storage.json import write_json
from firstsight.storage.tables import read_table

SEED = 0
"""Of the sample, and of t-SNE."""
MOST_SHOWN = 2_000
"""At most so many images of a collection are drawn: the medoids and a random sample of the others."""
MOST_LIKE = 24
"""How many images most like each are found."""


def chart_collection(*, descriptors: Sequence[Path], clusters: Path, output: Path, job: Job) -> None:
    """Lay the images of a collection on a plane, and build the tree of its clusters.

    Args:
        descriptors: npz files of all shards.
        clusters: the table `clusters` of the collection and detector.
        output: JSON to make: ``images``, their ``points`` (x, y), the ``method`` that placed them, which others are
            ``near`` each (places in ``images``, nearest first) at which ``distances``, and the ``tree`` (`ward_tree`)
            of those that are in a cluster.
    """
    table = read_table(clusters).set_index("image")
    if len(table) > MOST_SHOWN:
        order = np.random.default_rng(SEED).permutation(len(table))
        order = order[np.argsort(~table["is_medoid"].to_numpy(bool)[order], kind="stable")]
        table = table.iloc[np.sort(order[:MOST_SHOWN])]
    with job.step("read"):
        images, values = _read(descriptors, set(table.index))
    job.n_images = len(images)
    if not images:
        write_json(
            output,
            {"images": [], "points": [], "near": [], "distances": [], "method": "principal components", "tree": None},
        )
        return
    cluster = table.loc[images, "cluster"].to_numpy(int)
    kept = cluster >= 0
    normalisation = fit_normalisation(values[kept] if kept.any() else values)
    unit = join_weightings(root_descriptors(values, normalisation))
    with job.step("plane"):
        points, method = lay_on_plane(unit, seed=SEED)
    with job.step("tree"):
        tree = ward_tree(smooth_descriptors(unit[kept], seed=SEED), cluster[kept])
    near, distances = nearest(unit, MOST_LIKE)
    like = {"near": near.tolist(), "distances": distances.round(4).tolist()}
    placed = {"images": images, "points": points.round(4).tolist(), **like, "method": method}
    write_json(output, {**placed, "tree": tree})


def nearest(descriptors: NDArray[np.floating], most: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each descriptor, which others are nearest by Euclidean distance.

    Args:
        descriptors: (N, D), finite.
        most: how many at most.

    Returns:
        (N, min(most, N - 1)) rows of the descriptors, nearest first, and among equals in their order; and their
        distances.
    """
    distances = cdist(descriptors, descriptors)
    np.fill_diagonal(distances, np.inf)
    near = np.argsort(distances, axis=1, kind="stable")[:, : min(most, len(descriptors) - 1)]
    return near, np.take_along_axis(distances, near, axis=1)


def _read(shards: Sequence[Path], wanted: set[str]) -> tuple[list[str], NDArray[np.float64]]:
    """Image ids (N) and descriptors (N, W, C) of the images wanted, sorted by image."""
    images: list[str] = []
    values = []
    for path in shards:
        image_ids, descriptors = read_arrays(path, "image", "descriptor")
        names = [str(image) for image in image_ids]
        rows = [row for row, name in enumerate(names) if name in wanted]
        if rows:
            images += [names[row] for row in rows]
            values.append(descriptors[rows].astype(np.float64))
    order = sorted(range(len(images)), key=images.__getitem__)
    return [images[row] for row in order], np.concatenate(values)[order] if values else np.zeros((0, 0, 0))
