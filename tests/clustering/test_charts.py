"""Descriptors on a plane, and their tree."""

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.clustering.charts import FEWEST_FOR_TSNE, MOST_LEAVES, lay_on_plane, ward_tree
from oracles.charts import principal_plane, ward_heights


def two_groups(count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    cluster = np.arange(count) % 2
    return np.random.default_rng(0).normal(size=(count, 6)) + 12 * cluster[:, None], cluster


def test_few_descriptors_lie_along_their_principal_components() -> None:
    descriptors = np.random.default_rng(1).normal(size=(20, 5)) * [5, 3, 1, 1, 1]
    points, method = lay_on_plane(descriptors)
    assert method == "principal components"
    np.testing.assert_allclose(np.abs(points), np.abs(principal_plane(descriptors)), atol=1e-9)
    assert (points[np.abs(points).argmax(axis=0), [0, 1]] > 0).all()


def test_many_descriptors_are_laid_by_tsne_and_neighbours_stay_near() -> None:
    descriptors, cluster = two_groups(FEWEST_FOR_TSNE)
    points, method = lay_on_plane(descriptors, seed=3)
    assert method == "t-SNE"
    assert points.shape == (FEWEST_FOR_TSNE, 2)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-4)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (cluster[distances.argmin(axis=1)] == cluster).all()
    np.testing.assert_array_equal(points, lay_on_plane(descriptors, seed=3)[0])


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 1), (3, 4), (FEWEST_FOR_TSNE + 1, 4)])
def test_few_or_equal_descriptors_have_finite_points(shape: tuple[int, int]) -> None:
    points, _ = lay_on_plane(np.ones(shape))
    assert points.shape == (shape[0], 2)
    assert np.abs(points).max(initial=0) < 1e-9


def test_the_tree_joins_as_ward_does() -> None:
    descriptors, cluster = two_groups(15)
    tree = ward_tree(descriptors, cluster)
    assert tree is not None
    assert [leaf["images"] for leaf in tree["leaves"]] == [1] * 15
    assert sorted(join["high"] for join in tree["joins"]) == pytest.approx(sorted(ward_heights(descriptors)))
    top = max(tree["joins"], key=lambda join: join["high"])
    kinds = [leaf["cluster"] for leaf in tree["leaves"]]
    assert kinds in ([0] * 8 + [1] * 7, [1] * 7 + [0] * 8)
    edge = kinds.index(kinds[-1]) - 0.5
    assert top["x"][0] < edge < top["x"][1]
    assert all(low <= join["high"] for join in tree["joins"] for low in join["low"])


def test_a_large_tree_is_cut_to_its_upper_part() -> None:
    descriptors, cluster = two_groups(101)
    tree = ward_tree(descriptors, cluster)
    assert tree is not None
    assert len(tree["leaves"]) == MOST_LEAVES
    assert len(tree["joins"]) == MOST_LEAVES - 1
    assert sum(leaf["images"] for leaf in tree["leaves"]) == 101
    assert sum(leaf["images"] for leaf in tree["leaves"] if leaf["cluster"] == 1) == 50
    highest = sorted(join["high"] for join in tree["joins"])
    assert highest == pytest.approx(sorted(ward_heights(descriptors))[-(MOST_LEAVES - 1) :])


def test_a_single_descriptor_makes_no_tree() -> None:
    assert ward_tree(np.ones((1, 3)), np.zeros(1, int)) is None
    assert ward_tree(np.zeros((0, 3)), np.zeros(0, int)) is None
    equal = ward_tree(np.ones((3, 3)), np.zeros(3, int))
    assert equal is not None
    assert [join["high"] for join in equal["joins"]] == [0, 0]
