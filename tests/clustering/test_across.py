"""Kinds across collections: whether textures differ, anomalies against what is normal, shared kinds and support."""

import numpy as np
import pytest

from firstsight.clustering.across import (
    Spread,
    against_normal,
    distances_to_kinds,
    support_of_kinds,
    texture_difference,
    units_from_zero,
)
from firstsight.clustering.kinds import FAR, fit_kinds
from firstsight.evaluation.clustering import nmi
from kind_samples import groups, named


def epsilon_squared(collections: list[np.ndarray]) -> float:
    """By the sums of squares of a one-way analysis of variance, channel by channel."""
    joined = np.concatenate(collections)
    total = within = 0.0
    for channel in range(joined.shape[1]):
        total += sum((value - joined[:, channel].mean()) ** 2 for value in joined[:, channel])
        for rows in collections:
            within += sum((value - rows[:, channel].mean()) ** 2 for value in rows[:, channel])
    degrees = len(collections) - 1
    mean_within = within / (len(joined) - len(collections))
    return float((total - within - degrees * mean_within) / total)


def test_the_difference_of_textures_is_epsilon_squared() -> None:
    rng = np.random.default_rng(0)
    collections = [rng.normal(mean, 1, (size, 3)) for mean, size in ((0, 9), (1, 5), (4, 7))]
    found = texture_difference([Spread.of(rows) for rows in collections])
    assert found == pytest.approx(epsilon_squared(collections))
    assert 0.5 < found < 1


def test_parts_of_one_collection_do_not_differ() -> None:
    rng = np.random.default_rng(1)
    found = [texture_difference([Spread.of(rng.normal(size=(20, 50))) for _ in range(4)]) for _ in range(20)]
    assert max(found) < 0.05
    constant = [Spread.of(np.ones((3, 2)))] * 2
    assert texture_difference(constant) == 0
    assert texture_difference(constant[:1]) == texture_difference([]) == 0
    assert texture_difference([Spread.of(np.ones((1, 2))), Spread.of(np.zeros((1, 2)))]) == 0, (
        "single images say nothing"
    )


def test_kinds_of_different_textures_meet_where_they_are_taken_against_what_is_normal() -> None:
    descriptors, kind = groups([12, 12, 12], spread=0.2)
    descriptors -= 5
    rng = np.random.default_rng(3)
    collection = np.arange(len(kind)) % 2
    normal = 30 * rng.random((2, 24))[collection] + 0.05 * rng.normal(size=(len(kind), 24))
    seen = descriptors + normal[:, None]
    images = named(len(kind))
    plain, _ = fit_kinds(images, seen)
    assert nmi(collection, plain.cluster) > 0.3, "as they are, textures are told apart"
    taken = against_normal(seen, normal, np.eye(24))
    np.testing.assert_allclose(taken, descriptors)
    kinds, _ = fit_kinds(images, taken, normalisation=units_from_zero(taken))
    assert nmi(kind, kinds.cluster) > 0.9
    distances = distances_to_kinds(kinds, taken)
    assert distances.argmin(axis=1).tolist() == kinds.cluster.tolist()
    np.testing.assert_allclose(distances.min(axis=1), kinds.distance, atol=1e-7)
    assert distances_to_kinds(kinds, taken[:0]).shape == (0, 3)


def test_the_units_of_differences_are_root_mean_squares() -> None:
    units = units_from_zero(np.array([[[3.0, 0.0]], [[4.0, 0.0]]]))
    assert (units.mean.tolist(), units.deviation.tolist(), units.limit) == ([[0, 0]], [[12.5**0.5, 0]], 1)
    rounding = units_from_zero(np.array([[[3.0, 1e-9, 0.01]], [[4.0, -1e-9, 0.01]]]))
    assert rounding.deviation.tolist() == [[12.5**0.5, 0, 0.01]], "rounding is not blown up"


def test_whitening_scales_differences() -> None:
    taken = against_normal(np.ones((1, 2, 3)), np.array([[1.0, 0.0, 0.0]]), np.diag([5.0, 2.0, 3.0]))
    assert taken.tolist() == [[[0, 2, 3], [0, 2, 3]]]


def test_support_asks_whether_false_alarms_explain_a_kind() -> None:
    cluster = np.array([0, 0, 0, 1, 1, FAR], np.int32)
    p_values = np.array([1e-9, 1e-8, 1e-9, 0.02, 0.04, 1e-9])
    support, supported = support_of_kinds(cluster, p_values, 100)
    assert support[0] > 0.999
    assert support[1] < 0.1
    assert supported.tolist() == [True, False]
    support, supported = support_of_kinds(cluster, p_values, None)
    assert np.isnan(support).all()
    assert supported.tolist() == [True, True]
    assert len(support_of_kinds(np.array([FAR], np.int32), np.array([np.nan]), 3)[0]) == 0
