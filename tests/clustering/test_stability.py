"""Clusters that are there are found again; those that are cut out of a cloud are not."""

import numpy as np

from firstsight.clustering.merges import cut, link
from firstsight.clustering.stability import LEAST_STABLE, stability


def test_groups_are_found_again() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], [30, 20, 12]).astype(np.int32)
    points = 10 * np.eye(8)[kind] + rng.standard_normal((62, 8))
    np.testing.assert_array_equal(stability(points, kind, seed=0), 1)


def test_what_no_part_shows_is_not_stable() -> None:
    """Of three well parted groups, the images of one are given to two clusters at random."""
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, 2], 20).astype(np.int32)
    points = 10 * np.eye(8)[kind] + rng.standard_normal((60, 8))
    mixed = np.where(kind == 2, 2 + rng.integers(0, 2, 60), kind).astype(np.int32)
    found = stability(points, mixed, seed=0)
    assert (found[:2] > 0.9).all() or (found[:2] >= LEAST_STABLE).all()
    assert (found[2:] < 0.75).all()


def test_pieces_of_one_cloud_are_less_stable_than_groups() -> None:
    cloud = np.random.default_rng(1).standard_normal((60, 12))
    assert stability(cloud, cut(link(cloud), 6), seed=0).mean() < 0.6


def test_an_image_in_no_cluster_counts_for_none() -> None:
    rng = np.random.default_rng(0)
    kind = np.repeat([0, 1, -1], [20, 20, 3]).astype(np.int32)
    points = 10 * np.eye(8)[kind] + 0.1 * rng.standard_normal((43, 8))
    found = stability(points[:40], kind[:40], seed=0)
    np.testing.assert_array_equal(found, 1)
    assert stability(points, kind, seed=0).shape == (2,)
    assert stability(points, np.full(43, -1, np.int32), seed=0).shape == (0,)


def test_a_cluster_that_is_never_drawn_is_not_stable() -> None:
    points = np.random.default_rng(0).standard_normal((2000, 2))
    cluster = np.zeros(2000, np.int32)
    cluster[:1] = 1
    assert 0 <= stability(points, cluster, seed=0)[1] <= 1


def test_the_same_seed_gives_the_same() -> None:
    cloud = np.random.default_rng(1).standard_normal((40, 6))
    cluster = cut(link(cloud), 4)
    np.testing.assert_array_equal(stability(cloud, cluster, seed=3), stability(cloud, cluster, seed=3))
