from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.clustering import merges
from firstsight.clustering.ward import cluster_descriptors
from firstsight.errors import FirstsightError
from oracles.ward import slow_silhouettes, slow_ward


def blobs(counts: list[int], spread: float, dimensions: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Round groups round the corners of a simplex, in shuffled order: (N, D) and their kinds."""
    rng = np.random.default_rng(seed)
    kinds = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    return 10 * np.eye(max(dimensions, len(counts)))[kinds] + spread * rng.standard_normal(
        (len(kinds), max(dimensions, len(counts)))
    ), kinds


@pytest.mark.parametrize(("count", "dimensions"), [(2, 1), (3, 2), (7, 1), (12, 5), (25, 3)])
def test_clusters_equal_the_definition(count: int, dimensions: int) -> None:
    descriptors = np.random.default_rng([count, dimensions]).standard_normal((count, dimensions))
    for number in {1, 2, min(4, count), count}:
        clustering = cluster_descriptors(descriptors, number)
        np.testing.assert_array_equal(clustering.cluster, slow_ward(descriptors, number))
        np.testing.assert_allclose(clustering.silhouette, slow_silhouettes(descriptors, clustering.cluster), atol=1e-12)
        assert clustering.n_clusters == number
        for index in range(number):
            members = np.flatnonzero(clustering.cluster == index)
            centre = descriptors[members].mean(axis=0)
            squares = [((descriptors[members] - descriptors[member]) ** 2).sum() for member in members]
            np.testing.assert_allclose(clustering.centres[index], centre)
            distance = np.linalg.norm(descriptors[members] - centre, axis=1)
            np.testing.assert_allclose(clustering.distance[members], distance)
            assert clustering.is_medoid[members].sum() == 1
            medoid = int(np.argmax(clustering.is_medoid[members]))
            assert squares[medoid] == pytest.approx(min(squares))


def test_silhouettes_are_the_same_when_taken_in_several_parts() -> None:
    descriptors, _ = blobs([700, 600], 3.0, 4)
    clustering = cluster_descriptors(descriptors, 3)
    np.testing.assert_allclose(clustering.silhouette, slow_silhouettes(descriptors, clustering.cluster), atol=1e-9)


def test_clusters_are_numbered_by_size_then_by_first_member() -> None:
    descriptors = np.array([[0.0], [50], [100], [100.1], [0.1], [50.1], [50.2]])
    np.testing.assert_array_equal(cluster_descriptors(descriptors, 3).cluster, [1, 0, 2, 2, 1, 0, 0])


def test_result_types() -> None:
    clustering = cluster_descriptors(blobs([5, 5], 0.1)[0].astype(np.float32))
    assert clustering.cluster.dtype == np.int32
    assert clustering.distance.dtype == clustering.silhouette.dtype == np.float64
    assert clustering.is_medoid.dtype == bool
    assert isinstance(clustering.n_clusters, int)


@pytest.mark.parametrize("counts", [[8, 8], [30, 10, 20], [12, 9, 7, 20, 15], [10] * 9])
def test_well_parted_groups_are_counted_and_found(counts: list[int]) -> None:
    descriptors, kinds = blobs(counts, 0.8)
    clustering = cluster_descriptors(descriptors)
    assert clustering.n_clusters == len(counts)
    assert "silhouette" in clustering.criterion
    assert len({*zip(clustering.cluster.tolist(), kinds.tolist(), strict=True)}) == len(counts)


def loners(seed: int = 0) -> np.ndarray:
    """Three groups of 6, 5 and 4, and five loners between and beyond them."""
    rng = np.random.default_rng(seed)
    groups = np.repeat([[0.0, 0], [10, 0], [0, 10]], [6, 5, 4], axis=0) + 0.1 * rng.standard_normal((15, 2))
    return np.concatenate([groups, [[40, 40], [-50, 3], [5, 5], [10, 60], [-9, -70]]])


@pytest.mark.parametrize("smallest", [1, 2, 4, 5])
@pytest.mark.parametrize("wanted", [1, 2, 3, 4, 9])
def test_small_clusters_are_outliers_and_the_tree_is_cut_until_enough_are_large(smallest: int, wanted: int) -> None:
    descriptors = loners()
    found = cluster_descriptors(descriptors, wanted, smallest=smallest)
    best: tuple[int, np.ndarray] = (0, np.zeros(0))
    for number in range(1, len(descriptors) + 1):
        cluster = slow_ward(descriptors, number)
        sizes = np.bincount(cluster)
        large = int((sizes >= smallest).sum())
        if large > best[0]:
            best = (large, np.where(sizes[cluster] >= smallest, cluster, -1))
        if large >= wanted:
            break
    assert found.n_clusters == best[0]
    np.testing.assert_array_equal(found.cluster, best[1])
    inside = found.cluster >= 0
    assert np.isnan(found.silhouette[~inside]).all()
    np.testing.assert_allclose(
        found.silhouette[inside], slow_silhouettes(descriptors[inside], found.cluster[inside]), atol=1e-9
    )
    distances = np.linalg.norm(descriptors[:, None] - found.centres, axis=2)
    np.testing.assert_allclose(found.distance[~inside], distances[~inside].min(axis=1))
    assert not found.is_medoid[~inside].any()
    assert found.is_medoid.sum() == found.n_clusters


def test_outliers_among_more_descriptors_than_can_be_linked() -> None:
    descriptors, kinds = blobs([300, 200], 0.3)
    descriptors = np.concatenate([descriptors, [[500.0] * 6]])
    sampled = cluster_descriptors(descriptors, 2, smallest=2, largest_linkage=400, seed=0)
    np.testing.assert_array_equal(sampled.cluster[:-1], kinds)
    assert sampled.n_clusters == 2


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4])
def test_very_few_descriptors(count: int) -> None:
    clustering = cluster_descriptors(np.arange(3.0 * count).reshape(count, 3))
    assert clustering.n_clusters == min(count, 1)
    assert len(clustering.cluster) == len(clustering.distance) == len(clustering.silhouette) == count
    assert clustering.is_medoid.sum() == min(count, 1)
    assert clustering.centres.shape == (min(count, 1), 3)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e100])
@pytest.mark.parametrize("clusters", ["auto", 1, 3, 9])
def test_identical_descriptors(value: float, clusters: int | Literal["auto"]) -> None:
    clustering = cluster_descriptors(np.full((9, 4), value), clusters)
    number = 1 if clusters == "auto" else clusters
    assert clustering.n_clusters == number == len(np.unique(clustering.cluster))
    assert np.isfinite(clustering.distance).all()
    assert np.isfinite(clustering.silhouette).all()
    assert clustering.is_medoid.sum() == number


def test_descriptors_with_few_different_values() -> None:
    descriptors = np.repeat([[0.0, 0], [1, 0], [0, 1]], 6, axis=0)
    clustering = cluster_descriptors(descriptors)
    assert clustering.n_clusters == 3
    np.testing.assert_allclose(clustering.silhouette, 1)


@pytest.mark.parametrize("clusters", ["auto", 4])
def test_more_descriptors_than_can_be_linked(clusters: int | Literal["auto"]) -> None:
    descriptors, kinds = blobs([900, 700, 500, 300], 0.8)
    clustering = cluster_descriptors(descriptors, clusters, largest_linkage=150, seed=3)
    np.testing.assert_array_equal(clustering.cluster, kinds)
    # Each silhouette is that of the descriptor among the sample; in the mean, that of all.
    everything = cluster_descriptors(descriptors, clusters)
    assert clustering.silhouette.mean() == pytest.approx(everything.silhouette.mean(), abs=0.01)
    np.testing.assert_allclose(clustering.centres, everything.centres)


def test_the_same_seed_gives_the_same_clusters() -> None:
    descriptors = np.random.default_rng(0).standard_normal((300, 5))
    first, second = (cluster_descriptors(descriptors, 5, largest_linkage=50, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.cluster, second.cluster)
    other = cluster_descriptors(descriptors, 5, largest_linkage=50, seed=8)
    assert (first.cluster != other.cluster).any()


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_few_dimensions(dimensions: int) -> None:
    descriptors = np.repeat(np.arange(3.0), 7)[:, None] * np.ones(dimensions) * 10
    descriptors += np.random.default_rng(0).standard_normal(descriptors.shape) * 0.3
    assert cluster_descriptors(descriptors).n_clusters == 3


@pytest.mark.parametrize(
    ("descriptors", "clusters", "message"),
    [
        (np.ones(3), "auto", r"\(3,\)"),
        (np.array([[1.0], [np.nan]]), "auto", "not finite"),
        (np.ones((3, 2)), 4, "3 descriptors .* 4 clusters"),
        (np.ones((3, 2)), 0, "0 clusters"),
        (np.empty((0, 2)), 1, "0 descriptors"),
        (np.ones((3, 2)), 2.0, "2.0"),
        (np.ones((3, 2)), True, "True"),
        (np.ones((3, 2)), "many", "'many'"),
    ],
)
def test_bad_values_are_named(descriptors: NDArray[np.float64], clusters: Any, message: str) -> None:
    with pytest.raises(FirstsightError, match=message):
        cluster_descriptors(descriptors, clusters)


def test_linkage_of_less_than_two_is_refused() -> None:
    with pytest.raises(FirstsightError, match="largest_linkage=1"):
        cluster_descriptors(np.ones((3, 2)), largest_linkage=1)


def test_members_settle_at_the_nearest_centre() -> None:
    """What is linked by other values ends as k-means of the descriptors: no member is nearer to another centre."""
    generator = np.random.default_rng(3)
    descriptors = generator.normal(size=(60, 4)) + np.repeat([[0.0], [2.0], [4.0]], 20, axis=0)
    found = cluster_descriptors(descriptors, 3, linked_by=descriptors + generator.normal(size=(60, 4)), smallest=2)
    distances = np.linalg.norm(descriptors[:, None] - found.centres, axis=2)
    np.testing.assert_array_equal(distances.argmin(axis=1), found.cluster)
    for index in range(3):
        np.testing.assert_allclose(found.centres[index], descriptors[found.cluster == index].mean(axis=0))


def test_equal_descriptors_stay_where_linkage_puts_them() -> None:
    descriptors = np.repeat([[0.0, 1.0], [1.0, 0.0]], 5, axis=0)
    found = cluster_descriptors(descriptors, 3, linked_by=descriptors)
    assert sorted(np.bincount(found.cluster)) == [1, 4, 5]


@pytest.mark.parametrize("seed", range(4))
def test_a_cluster_that_misses_the_tested_sample_leaves_the_number_as_it_is(seed: int) -> None:
    descriptors, kinds = blobs([900, 700, 400, 2], 0.3, seed=seed)
    # So far away that linkage sees the two.
    descriptors[kinds == 3] *= 20
    with np.errstate(divide="raise", invalid="raise"):
        found = cluster_descriptors(descriptors, seed=seed)
    assert found.n_clusters == 4
    assert len({*zip(found.cluster.tolist(), kinds.tolist(), strict=True)}) == 4
    assert np.isfinite(found.silhouette).all()


def test_many_are_linked_by_other_arithmetic_with_the_same_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors, _ = blobs([30, 20, 10], 2.0)
    plain = cluster_descriptors(descriptors, 5)
    monkeypatch.setattr(merges, "MANY_OTHERS", 10)
    found = cluster_descriptors(descriptors, 5)
    np.testing.assert_array_equal(found.cluster, plain.cluster)
    np.testing.assert_allclose(found.silhouette, plain.silhouette, atol=1e-7)
