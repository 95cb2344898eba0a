"""Normal images are told by scores, and kinds by more than false alarms."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from scipy.stats import binom

from firstsight.clustering.normalisation import normalise_descriptors
from firstsight.clustering.supported_kinds import (
    Evidence,
    Sorted,
    calm_groups,
    count_normal,
    group_p_values,
    only_false_alarms,
    sort_by_evidence,
    with_evidence,
)
from firstsight.clustering.ward import cluster_descriptors


def images(good: int, bad: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Raw descriptors (N, 2, 24), and what is on the images: 0 nothing, 1 and more kinds of anomaly."""
    rng = np.random.default_rng(seed)
    kind = np.repeat(np.arange(len(bad) + 1), [good, *bad])
    centres = 5 + np.random.default_rng(99).normal(0, 1, (len(bad) + 1, 2, 24))
    return centres[kind] + 0.3 * rng.standard_normal((len(kind), 2, 24)), kind


def sort(
    descriptors: np.ndarray,
    p_values: np.ndarray,
    rate: float | None = 0.05,
    clusters: int | Literal["auto"] = "auto",
) -> Sorted:
    evidence = Evidence(p_values < 0.05, p_values, -np.log(p_values), rate)
    compared = with_evidence(normalise_descriptors(descriptors), evidence)
    grouped = cluster_descriptors(compared, clusters, may_be_one=False, smallest=2)
    return sort_by_evidence(descriptors, compared, grouped, evidence, seed=0)


def normal_p_values(count: int, seed: int) -> np.ndarray:
    """Evenly spread ones, in random order."""
    return np.random.default_rng(seed).permutation((np.arange(count) + 0.5) / count)


def test_chances_equal_the_definition() -> None:
    rng = np.random.default_rng(0)
    cluster = rng.integers(-1, 4, 30).astype(np.int32)
    p_values = np.where(rng.random(30) < 0.1, np.nan, rng.random(30) ** 4)
    for number, found in enumerate(group_p_values(cluster, p_values, 70)):
        own = sorted(1.0 if np.isnan(value) else value for value in p_values[cluster == number])
        chances = []
        for count, value in list(enumerate(own, start=1))[1:]:
            fewer = sum(binom.pmf(few, 70, min(1.0, 3 * value)) for few in range(count))
            chances.append(1 - fewer)
        assert found == pytest.approx(min(1.0, len(chances) * min(chances)), abs=1e-9)


def test_one_odd_image_makes_no_kind_of_its_neighbour() -> None:
    found = group_p_values(np.array([0, 0, 1], np.int32), np.array([1e-9, 0.04, 1e-9]), 30)
    assert found[0] > 0.5
    assert found[1] == 1


def test_normal_images_are_counted_by_the_upper_half() -> None:
    assert count_normal(normal_p_values(100, 0)) == 100
    assert count_normal(np.append(normal_p_values(40, 0), np.full(60, 0.01))) == 42
    assert count_normal(np.full(10, np.nan)) == 10


@pytest.mark.parametrize("rate", [0.05, None])
def test_calm_groups_equal_the_definition(rate: float | None) -> None:
    cluster = np.repeat([0, 1, 2, -1], [20, 10, 6, 3]).astype(np.int32)
    anomalous = np.zeros(39, bool)
    anomalous[[0, 1, 20, 21, 22, 23, 30, 31, 32, 33]] = True
    found = calm_groups(cluster, Evidence(anomalous, np.ones(39), np.ones(39), rate))
    expected = []
    for size, count in ((20, 2), (10, 4), (6, 4)):
        as_many = 1 - sum(binom.pmf(few, size, 0.05) for few in range(count))
        expected.append(as_many >= 0.05 / 3 if rate else count <= size / 2)
    np.testing.assert_array_equal(found, expected)
    assert found.tolist() == ([True, False, False] if rate else [True, True, False])


@pytest.mark.parametrize("count", [5, 20, 60])
def test_a_folder_of_normal_images_is_one_kind(count: int) -> None:
    alone = 0
    for seed in range(20):
        descriptors, _ = images(count // 2, [count - count // 2], seed)
        found = sort(descriptors, normal_p_values(count, seed))
        assert found.normal == 0
        assert (found.cluster == 0).sum() >= 0.9 * count - 1
        alone += len(found.support) == 1
    assert alone >= 19


def test_kinds_are_sorted_beside_the_normal_images() -> None:
    descriptors, kind = images(40, [6, 4])
    p_values = np.where(kind == 0, normal_p_values(50, 3) * 0.9 + 0.1, 1e-4)
    p_values[7] = 0.04
    found = sort(descriptors, p_values, clusters=3)
    assert found.normal == 0
    np.testing.assert_array_equal(found.cluster == 0, (kind == 0) & (p_values > 0.04))
    for number in range(1, len(found.support)):
        assert len(set(kind[found.cluster == number]) - {0}) == 1
    assert np.isnan(found.support[0])
    assert (found.support[1:] >= 0.5).all()
    assert f"{len(found.support) - 1} kinds beside the normal images, of " in found.criterion


def test_a_kind_that_the_decision_does_not_see_stays_a_kind() -> None:
    descriptors, kind = images(15, [14, 13])
    p_values = np.choose(kind, [normal_p_values(42, 3) * 0.4 + 0.6, normal_p_values(42, 4) * 0.4 + 0.1, 1e-4])
    found = sort(descriptors, p_values)
    assert found.normal == 0
    np.testing.assert_array_equal(found.cluster, kind)
    assert np.isnan(found.support[0])
    assert (found.support[1:] > 0.95).all()


def test_faint_images_of_a_kind_stay_with_their_kind() -> None:
    """Only two thirds are called anomalous, but the others are like them and like no normal image."""
    descriptors, kind = images(20, [20, 20])
    rng = np.random.default_rng(0)
    p_values = np.concatenate(
        [normal_p_values(20, 0) * 0.8 + 0.2, *(rng.permutation(np.geomspace(1e-3, 0.4, 20)) for _ in "ab")]
    )
    assert 10 < (p_values[20:40] < 0.05).sum() < 15
    found = sort(descriptors, p_values)
    np.testing.assert_array_equal(found.cluster, kind)


def test_without_normal_images_groups_stay_as_they_are() -> None:
    descriptors, kind = images(12, [9, 7])
    found = sort(descriptors, np.full(28, 1e-4))
    assert found.normal is None
    np.testing.assert_array_equal(found.cluster, kind)
    assert (found.support > 0.95).all()


def test_without_a_rate_a_group_is_normal_if_half_of_it_is() -> None:
    descriptors, kind = images(12, [9, 7])
    found = sort(descriptors, np.where(kind == 0, 0.9, 0.04), rate=None)
    np.testing.assert_array_equal(found.cluster, kind)
    assert found.normal == 0


def test_calm_images_that_may_be_one_cloud_are_one_kind() -> None:
    descriptors, kind = images(40, [12])
    p_values = np.where(kind == 0, normal_p_values(52, 3) * 0.9 + 0.1, 1e-4)
    evidence = Evidence(p_values < 0.05, p_values, -np.log(p_values), 0.05)
    compared = with_evidence(normalise_descriptors(descriptors), evidence)
    grouped = cluster_descriptors(compared, 5, smallest=2)
    assert len(set(grouped.cluster[kind == 0])) > 1
    found = sort_by_evidence(descriptors, compared, grouped, evidence, seed=0)
    assert (found.cluster[kind == 0] == 0).all()


def test_what_is_not_found_again_is_other() -> None:
    """Half of the images of two kinds are put into one group, the others into another."""
    descriptors, kind = images(30, [20, 20])
    p_values = np.where(kind == 0, normal_p_values(70, 3) * 0.9 + 0.1, 1e-4)
    evidence = Evidence(p_values < 0.05, p_values, -np.log(p_values), 0.05)
    compared = with_evidence(normalise_descriptors(descriptors), evidence)
    grouped = cluster_descriptors(compared, 3)
    mixed = np.where(kind == 0, 0, 1 + np.arange(70) % 5).astype(np.int32)
    found = sort_by_evidence(descriptors, compared, replace(grouped, cluster=mixed, n_clusters=6), evidence, seed=0)
    assert found.normal == 0
    np.testing.assert_array_equal(found.cluster, np.where(kind == 0, 0, -1))
    assert len(found.support) == 1


def test_one_more_coordinate_says_what_stands_out() -> None:
    p_values = np.array([np.nan, 1.0, 0.5, 0.05, 0.005, 1e-9])
    found = with_evidence(np.ones((6, 3)), Evidence(p_values < 0.05, p_values, p_values, 0.05))
    np.testing.assert_array_equal(found[:, :3], 1)
    np.testing.assert_allclose(found[:, 3], [0, 0, 0, 0.35, 0.7, 0.7])


def test_false_alarms_are_told_from_kinds() -> None:
    descriptors, kind = images(60, [8])
    cluster = np.zeros(68, np.int32)
    p_values = normal_p_values(68, 0)
    p_values[:6] = 0.03

    def only(values: np.ndarray, rate: float | None = 0.05) -> bool:
        evidence = Evidence(values < 0.05, values, -np.log(values), rate)
        return only_false_alarms(descriptors[:60], cluster[:60], evidence, np.random.default_rng(0))

    assert only(p_values[:60])
    assert not only(p_values[:60], None)
    assert not only(np.where(np.arange(60) < 20, 0.03, 0.9))
    assert not only(np.where(np.arange(60) < 6, 1e-6, p_values[:60]))
    evidence = Evidence(p_values < 0.05, p_values, -np.log(p_values), 0.05)
    apart = descriptors + 9.0 * (kind[:, None, None] > 0)
    assert not only_false_alarms(apart, cluster, evidence, np.random.default_rng(0))
