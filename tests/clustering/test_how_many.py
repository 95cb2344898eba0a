"""One cloud is not divided, groups are counted, and the usual number decides where nothing else does."""

import numpy as np
import pytest

from firstsight.clustering.how_many import FEW, estimate_number
from firstsight.clustering.merges import cut, link
from oracles.ward import slow_silhouettes


def estimate(descriptors: np.ndarray, *, may_be_one: bool = True, seed: int = 0) -> tuple[int, str]:
    return estimate_number(descriptors, link(descriptors), np.random.default_rng(seed), may_be_one=may_be_one)


@pytest.mark.parametrize("count", [5, 20, 80])
def test_one_round_cloud_is_mostly_one_cluster(count: int) -> None:
    clouds = [np.random.default_rng([count, seed]).standard_normal((count, 30)) for seed in range(10)]
    assert sum(estimate(cloud)[0] == 1 for cloud in clouds) >= 8


def test_where_it_is_not_asked_one_cloud_is_divided() -> None:
    cloud = np.random.default_rng(0).standard_normal((30, 8))
    assert estimate(cloud)[0] == 1
    assert estimate(cloud, may_be_one=False)[0] > 1


@pytest.mark.parametrize("seed", range(5))
def test_the_number_is_that_of_the_best_silhouette_less_the_pull(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((24, 5)) + rng.normal(0, 2, (4, 5))[rng.integers(0, 4, 24)]
    worth = {
        number: slow_silhouettes(points, cut(link(points), number)).mean() - 0.06 * abs(np.log2(number / 4.5))
        for number in range(2, 13)
    }
    # In five dimensions, the five leading principal components are a turn of the points.
    number, why = estimate(points, may_be_one=False)
    assert number == max(worth, key=lambda each: worth[each])
    assert why.startswith(f"{number}, by a mean silhouette of ")


def test_few_are_divided_if_they_fall_apart() -> None:
    rng = np.random.default_rng(3)
    together = rng.standard_normal((FEW - 1, 20))
    assert estimate(together, may_be_one=False) == (1, estimate(together, may_be_one=False)[1])
    assert "may be one cloud" in estimate(together, may_be_one=False)[1]
    apart = 0.01 * together + np.repeat([0.0, 10], [5, 4])[:, None]
    assert estimate(apart, may_be_one=False)[0] == 2


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_are_not_divided(count: int) -> None:
    assert estimate(np.arange(3.0 * count).reshape(count, 3)) == (
        min(count, 1),
        f"{count} descriptors are too few to divide",
    )


def test_more_than_are_looked_at() -> None:
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 6, 1200)
    points = 10 * np.eye(6)[kind] + rng.standard_normal((1200, 6))
    assert estimate(points)[0] == 6
