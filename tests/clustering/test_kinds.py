"""Kinds: outliers are set aside, the calm cluster is normal, new images are recognised or unknown."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from firstsight.clustering.descriptors import LARGEST_COMPARED
from firstsight.clustering.isolation import isolated_descriptors
from firstsight.clustering.kinds import (
    FAR,
    Kinds,
    assign_kinds,
    fit_kinds,
)
from firstsight.clustering.normalisation import fit_normalisation, normalise_descriptors
from firstsight.clustering.supported_kinds import Evidence
from firstsight.clustering.ward import cluster_descriptors
from firstsight.errors import FirstsightError
from kind_samples import fitted_kinds, groups, named


@pytest.mark.parametrize("seed", range(5))
def test_loose_members_of_tight_groups_are_not_isolated(seed: int) -> None:
    descriptors, kind = groups([6, 5], seed=seed, spread=0.02)
    assert not isolated_descriptors(descriptors).any()
    np.testing.assert_array_equal(fit_kinds(named(11), descriptors, 2)[1].cluster, kind)


def test_without_outliers_kinds_are_wards_clusters() -> None:
    descriptors, kind = groups([9, 7, 5])
    kinds, clustering = fit_kinds(named(21), descriptors, 3)
    plain = cluster_descriptors(normalise_descriptors(descriptors), 3)
    np.testing.assert_array_equal(clustering.cluster, kind)
    np.testing.assert_array_equal(clustering.cluster, plain.cluster)
    np.testing.assert_allclose(clustering.distance, plain.distance)
    np.testing.assert_allclose(clustering.silhouette, plain.silhouette)
    assert kinds.medoids == tuple(f"{index}.png" for index in np.flatnonzero(plain.is_medoid))
    assert kinds.counted == "given"
    assert fit_kinds(named(21), descriptors)[0].counted == "estimated"
    assert fit_kinds(named(21), descriptors)[1].n_clusters == 3


def test_an_image_of_another_texture_is_an_outlier_and_changes_nothing_for_the_others() -> None:
    descriptors, kind = groups([9, 7, 5])
    other = 40 * np.random.default_rng(8).random((1, 2, 24))
    kinds, clustering = fit_kinds(named(22), np.concatenate([descriptors, other]), 3)
    np.testing.assert_array_equal(clustering.cluster, [*kind, FAR])
    assert np.isnan(clustering.silhouette[-1])
    assert not clustering.is_medoid[-1]
    distances = np.linalg.norm(normalise_descriptors(other, kinds.normalisation) - kinds.centres, axis=1)
    assert clustering.distance[-1] == pytest.approx(distances.min())
    alone, _ = fit_kinds(named(21), descriptors, 3)
    np.testing.assert_allclose(kinds.centres, alone.centres)
    assert kinds.name(FAR, "outlier") == "outlier"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("clusters", ["auto", 1, 2, 5])
def test_few_images(count: int, clusters: int | Literal["auto"]) -> None:
    descriptors, _ = groups([count], spread=1.0)
    if clusters != "auto" and clusters > count:
        with pytest.raises(FirstsightError, match=f"{clusters} clusters"):
            fit_kinds(named(count), descriptors, clusters)
        return
    kinds, clustering = fit_kinds(named(count), descriptors, clusters)
    assert 1 <= clustering.n_clusters <= max(1, count // 2)
    assert np.isfinite(clustering.distance).all()
    assert (clustering.cluster >= 0).any()
    assert len(kinds.medoids) == len(kinds.names) == len(kinds.centres) == clustering.n_clusters
    assert assign_kinds(kinds, descriptors)[0].shape == (count,)


@pytest.mark.parametrize("clusters", ["auto", 1, 3, 8])
def test_the_same_image_many_times(clusters: int | Literal["auto"]) -> None:
    kinds, clustering = fit_kinds(named(8), np.full((8, 2, 5), 0.3), clusters)
    assert clustering.n_clusters >= 1
    np.testing.assert_array_equal(clustering.distance, 0)
    cluster, distance = assign_kinds(kinds, np.full((2, 2, 5), 0.3))
    assert (cluster >= 0).all()
    np.testing.assert_array_equal(distance, 0)


def test_every_image_is_recognised_as_what_it_is() -> None:
    descriptors, kind = groups([9, 7, 5])
    kinds, _ = fit_kinds(named(21), descriptors, 3)
    for of_regions in (False, True):
        cluster, distance = assign_kinds(kinds, descriptors, of_regions=of_regions)
        np.testing.assert_array_equal(cluster, kind)
        np.testing.assert_allclose(distance, kinds.distance)
    more, of = groups([4, 4, 4], seed=7)
    np.testing.assert_array_equal(assign_kinds(kinds, more, of_regions=True)[0], of)


def test_what_is_like_no_known_image_is_unknown() -> None:
    descriptors, _ = groups([9, 7, 5])
    kinds, _ = fit_kinds(named(21), descriptors, 3)
    strange = 5 + np.random.default_rng(3).normal(0, 1, (6, 2, 24))
    cluster, distance = assign_kinds(kinds, strange)
    assert (cluster == FAR).all()
    expected = np.linalg.norm(normalise_descriptors(strange, kinds.normalisation)[:, None] - kinds.centres, axis=2)
    np.testing.assert_allclose(distance, expected.min(axis=1))


def test_a_stronger_anomaly_of_a_kind_is_unknown_as_an_image_and_known_as_a_region() -> None:
    descriptors, kind = groups([9, 7, 5])
    kinds, _ = fit_kinds(named(21), descriptors, 3)
    mean = kinds.normalisation.mean
    stronger = mean + 4 * (descriptors - mean)
    np.testing.assert_array_equal(assign_kinds(kinds, stronger, of_regions=True)[0], kind)
    assert (assign_kinds(kinds, stronger)[0] == FAR).all()


def test_most_images_would_be_recognised_had_they_not_been_there() -> None:
    descriptors, _ = groups([30, 20, 15], spread=1.0)
    unknown = 0
    for left_out in range(65):
        others = np.arange(65) != left_out
        kinds, _ = fit_kinds(named(64), descriptors[others], 3)
        unknown += int(assign_kinds(kinds, descriptors[left_out : left_out + 1])[0][0] == FAR)
    assert unknown <= 4


@pytest.mark.parametrize("odd", [0, 1, 2])
def test_odd_images_among_the_known_hide_no_new_kind(odd: int) -> None:
    descriptors, _ = groups([30, 20, 15])
    descriptors = np.concatenate([descriptors, 5 + np.random.default_rng(17).normal(0, 1, (odd, 2, 24))])
    kinds, clustering = fit_kinds(named(65 + odd), descriptors, 3)
    assert (clustering.cluster[:65] >= 0).all()
    # As if the odd ones had not been isolated.
    loose = replace(kinds, isolation=np.concatenate([kinds.isolation[odd:], np.full(odd, 100.0)]))
    strange = 5 + np.random.default_rng(3).normal(0, 1, (6, 2, 24))
    assert (assign_kinds(loose, strange)[0] == FAR).all()
    more, of = groups([200, 200, 200], seed=7)
    cluster, _ = assign_kinds(loose, more)
    assert 0.01 < (cluster == FAR).mean() < 0.12
    np.testing.assert_array_equal(cluster[cluster != FAR], of[cluster != FAR])


def test_assigning_in_parts_and_nothing() -> None:
    descriptors, _ = groups([9, 7, 5])
    kinds, _ = fit_kinds(named(21), descriptors, 3)
    many = np.tile(descriptors, (60, 1, 1))
    cluster, distance = assign_kinds(kinds, many)
    np.testing.assert_array_equal(cluster, np.tile(assign_kinds(kinds, descriptors)[0], 60))
    assert len(distance) == 21 * 60
    assert assign_kinds(kinds, np.zeros((0, 2, 24)))[0].shape == (0,)


def test_of_many_images_a_sample_is_remembered() -> None:
    descriptors = np.random.default_rng(0).random((LARGEST_COMPARED + 500, 1, 3))
    kinds, clustering = fit_kinds(named(len(descriptors)), descriptors, 2, largest_linkage=200)
    assert len(kinds.known) == LARGEST_COMPARED
    assert (assign_kinds(kinds, descriptors)[0] >= 0).mean() > 0.99
    assert len(clustering.cluster) == len(descriptors)


def test_the_normal_kind_has_its_name() -> None:
    descriptors, kind = groups([9, 7, 5])
    evidence = Evidence(kind != 1, np.where(kind == 1, 0.5, 1e-4), kind == 1.0, 0.05)
    given, _ = fit_kinds(named(21), descriptors, 3, evidence=evidence)
    assert given.normal == 1
    assert given.names == ("cluster 0", "normal", "cluster 2")
    assert np.isnan(given.support).all()
    found, clustering = fit_kinds(named(21), descriptors, evidence=evidence)
    assert found.names == ("normal", "cluster 1", "cluster 2")
    np.testing.assert_array_equal(clustering.cluster, np.array([1, 0, 2])[kind])
    assert np.isnan(found.support[0])
    assert (found.support[1:] > 0.95).all()
    unit = normalise_descriptors(descriptors, found.normalisation)
    for number, of in enumerate((1, 0, 2)):
        np.testing.assert_allclose(found.centres[number], unit[kind == of].mean(axis=0))
    regions = assign_kinds(found, descriptors[kind == 1], of_regions=True)[0]
    assert (regions != found.normal).all()


def test_images_of_another_texture_stay_apart_from_the_normal_ones() -> None:
    descriptors, _ = groups([20])
    other = 40 * np.random.default_rng(8).random((1, 2, 24))
    evidence = Evidence(np.zeros(21, bool), np.full(21, 0.5), np.ones(21), 0.05)
    kinds, clustering = fit_kinds(named(21), np.concatenate([descriptors, other]), evidence=evidence)
    assert clustering.cluster.tolist() == [0] * 20 + [FAR]
    assert kinds.names == ("normal",)


@pytest.fixture
def fitted() -> Kinds:
    return fitted_kinds()


def test_bad_values_are_named(fitted: Kinds) -> None:
    descriptors, _ = groups([9, 7, 5])
    with pytest.raises(FirstsightError, match="20 images"):
        fit_kinds(named(20), descriptors)
    with pytest.raises(FirstsightError, match="0 images"):
        fit_kinds([], descriptors[:0])
    with pytest.raises(FirstsightError, match="not finite"):
        fit_kinds(named(21), np.where(descriptors > 6, np.nan, descriptors))
    with pytest.raises(FirstsightError, match="not finite"):
        assign_kinds(fitted, np.full((1, 2, 24), np.inf))
    with pytest.raises(FirstsightError, match="2 x 23 values do not compare with those of 2 x 24"):
        assign_kinds(fitted, descriptors[:, :, 1:])
    with pytest.raises(FirstsightError, match="22 clusters"):
        fit_kinds(named(21), descriptors, 22)


def test_the_units_are_those_of_the_images_that_are_no_outliers() -> None:
    descriptors, _ = groups([9, 7, 5])
    kinds, _ = fit_kinds(named(22), np.concatenate([descriptors, descriptors[:1] + 50]), 3)
    np.testing.assert_allclose(kinds.normalisation.mean, fit_normalisation(descriptors).mean)
