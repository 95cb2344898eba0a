"""One cloud is told from several, whatever its shape."""

import numpy as np
import pytest

from firstsight.clustering.one_cloud import MOST_POINTS, one_cloud_p_value


def cloud(seed: int, count: int) -> np.ndarray:
    """A Gaussian cloud that is long in a few of its 30 directions."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, 30)) * np.geomspace(3, 0.1, 30)


def test_one_cloud_is_refused_as_rarely_as_the_level_says() -> None:
    p_values = [one_cloud_p_value(cloud(seed, 30), np.random.default_rng(seed)) for seed in range(30)]
    assert np.mean(np.array(p_values) < 0.05) <= 0.15


@pytest.mark.parametrize("groups", [2, 3, 6])
@pytest.mark.parametrize("scale", [1, 1000])
def test_groups_are_no_cloud(groups: int, scale: int) -> None:
    centres = np.random.default_rng(groups).normal(0, 6, (groups, 30))
    points = np.concatenate([centre + cloud(seed, 12) / 3 for seed, centre in enumerate(centres)])
    assert one_cloud_p_value(scale * points, np.random.default_rng(0)) < 0.001


def test_of_many_a_sample_is_looked_at() -> None:
    points = np.concatenate([cloud(0, 2 * MOST_POINTS), cloud(1, 2 * MOST_POINTS) + 5])
    assert one_cloud_p_value(points, np.random.default_rng(0)) < 0.001


@pytest.mark.parametrize("count", [0, 1, 4, 5, 9])
def test_few_and_equal_points_may_be_one(count: int) -> None:
    assert one_cloud_p_value(np.full((count, 3), 0.3), np.random.default_rng(0)) == 1
