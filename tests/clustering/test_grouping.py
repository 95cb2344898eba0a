"""Groups of images: by alikeness and evidence, and by a number that is given."""

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.clustering.descriptors import smooth_descriptors
from firstsight.clustering.grouping import group_images, normal_cluster
from firstsight.clustering.normalisation import normalise_descriptors
from firstsight.clustering.supported_kinds import Evidence, Sorted, with_evidence
from firstsight.clustering.ward import cluster_descriptors
from kind_samples import groups


def evidence_of(kind: NDArray[np.int64], *, seed: int = 0) -> Evidence:
    """Group 0 is normal, the images of all others stand out."""
    p_values = np.where(kind == 0, np.random.default_rng(seed).uniform(0.1, 1, len(kind)), 1e-4)
    return Evidence(kind != 0, p_values, -np.log(p_values), 0.05)


def grouped(
    descriptors: NDArray[np.float64],
    number: int,
    evidence: Evidence | None,
    isolated: NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> Sorted:
    isolated = np.zeros(len(descriptors), bool) if isolated is None else isolated
    directions = normalise_descriptors(descriptors)
    return group_images(descriptors, directions, isolated, number, evidence, seed=seed, largest_linkage=1000)


def wards_clusters(descriptors: NDArray[np.float64], number: int, evidence: Evidence) -> NDArray[np.int32]:
    compared = with_evidence(normalise_descriptors(descriptors), evidence)
    return cluster_descriptors(compared, number, linked_by=smooth_descriptors(compared), smallest=2).cluster


@pytest.mark.parametrize("seed", range(5))
def test_many_normal_images_are_one_of_a_given_number_of_kinds(seed: int) -> None:
    descriptors, kind = groups([40, 5, 4], seed=seed, spread=0.3)
    evidence = evidence_of(kind, seed=seed)
    # Normal images differ most in one way, and the two kinds resemble each other.
    descriptors[:40, :, :6] += np.random.default_rng(seed).normal(0, 1, (40, 1, 1))
    descriptors[45:] += 0.6 * (descriptors[40:45].mean(axis=0) - descriptors[45:].mean(axis=0))
    assert set(wards_clusters(descriptors, 3, evidence)[:40]) == {0, 1}
    found = grouped(descriptors, 3, evidence)
    assert found.normal == 0
    np.testing.assert_array_equal(found.cluster, kind)
    assert np.isnan(found.support).all()
    assert len(found.support) == 3
    assert found.criterion == "3 given, the normal images one of them"


def test_isolated_images_are_among_the_few_that_are_not_normal() -> None:
    descriptors, kind = groups([40, 4])
    found = grouped(descriptors, 2, evidence_of(kind), isolated=kind == 1)
    np.testing.assert_array_equal(found.cluster, kind)


@pytest.mark.parametrize(("sizes", "number"), [([13, 7], 2), ([9, 7, 5], 3), ([40, 3], 3), ([40, 5], 1)])
def test_otherwise_a_given_number_is_that_of_wards_clusters(sizes: list[int], number: int) -> None:
    descriptors, kind = groups(sizes)
    evidence = evidence_of(kind)
    found = grouped(descriptors, number, evidence)
    np.testing.assert_array_equal(found.cluster, wards_clusters(descriptors, number, evidence))
    assert found.criterion == f"{number} given"


def test_two_thirds_are_many() -> None:
    descriptors, kind = groups([14, 7])
    assert grouped(descriptors, 2, evidence_of(kind)).criterion == "2 given, the normal images one of them"


def test_of_a_given_number_the_calmest_that_is_mostly_normal_is_the_normal_one() -> None:
    cluster = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 3, -1], dtype=np.int32)
    scores = np.array([5.0, 5, 5, 2, 2, 9, 3, 3, 1, 1, 0])
    areas = np.array([9, 0, 0, 0, 0, 7, 0, 0, 0, 4, 0])

    def normal(areas: np.ndarray) -> int | None:
        return normal_cluster(cluster, Evidence(areas > 0, np.ones(11), scores, None))

    assert normal(areas) == 1
    assert normal(np.where(cluster == 1, 5, areas)) == 2
    assert normal(areas + 1) is None
