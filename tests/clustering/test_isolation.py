"""Images that are like no other, and conformal p-values, against their definitions."""

import numpy as np
import pytest

from firstsight.clustering.isolation import conformal_p_values, isolated_descriptors
from kind_samples import groups
from oracles.descriptors import slow_root


def slow_isolated(descriptors: np.ndarray) -> np.ndarray:
    """Median + 3.5 robust deviations of the distances to the nearest neighbour, and half the usual; at most a fifth."""
    rooted = slow_root(descriptors).reshape(len(descriptors), -1)
    nearest = np.array(
        [min(np.linalg.norm(a - b) for j, b in enumerate(rooted) if j != i) for i, a in enumerate(rooted)]
    )
    bound = np.median(nearest) + 3.5 * 1.4826 * np.median(np.abs(nearest - np.median(nearest)))
    bound = max(bound, 0.5 * np.sqrt(2) * np.median(np.linalg.norm(rooted - rooted.mean(axis=0), axis=1)))
    farthest = sorted(range(len(nearest)), key=lambda index: -nearest[index])[: len(nearest) // 5]
    return np.array([nearest[index] > bound and index in farthest for index in range(len(nearest))])


def test_isolated_images_equal_the_definition() -> None:
    descriptors, _ = groups([12, 9])
    descriptors[4] += 20
    descriptors[17] -= 30
    found = isolated_descriptors(descriptors)
    np.testing.assert_array_equal(found, slow_isolated(descriptors))
    assert np.flatnonzero(found).tolist() == [4, 17]


def test_at_most_a_fifth_are_isolated() -> None:
    descriptors, _ = groups([20])
    descriptors[:9] += np.random.default_rng(1).normal(0, 30, (9, 2, 24))
    assert isolated_descriptors(descriptors).sum() == 4
    assert not isolated_descriptors(descriptors[:4]).any()


@pytest.mark.parametrize("copies", [1, 2])
def test_equal_images_are_not_isolated(copies: int) -> None:
    assert not isolated_descriptors(np.full((30, 2, 5), 0.1)).any()
    descriptors, _ = groups([10])
    assert not isolated_descriptors(np.concatenate([descriptors] * copies)).any()


def test_conformal_p_values_equal_the_definition() -> None:
    rng = np.random.default_rng(0)
    known = np.concatenate([rng.random(20), [0.5, 0.5]])
    distances = np.concatenate([rng.random(30), [0.5, 2.0, 0.0]])
    expected = [(1 + sum(other >= distance for other in known)) / (len(known) + 1) for distance in distances]
    np.testing.assert_allclose(conformal_p_values(distances, known), expected)
    np.testing.assert_array_equal(conformal_p_values(np.array([3.0]), np.full(1, np.inf)), [1])
