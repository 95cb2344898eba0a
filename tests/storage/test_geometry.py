"""Maps laid on images."""

import numpy as np
import pytest

from firstsight.storage.geometry import Geometry, map_to_pixels
from oracles import geometry as oracle


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ((4, 6), Geometry(32, 48, 32, 48, 8, 0.0)),
        ((4, 6), Geometry(29, 43, 29, 43, 8, 0.0)),
        ((5, 5), Geometry(31, 77, 40, 40, 8, 0.0)),
        ((3, 9), Geometry(12, 36, 12, 36, 4, 1.5)),
        ((1, 1), Geometry(5, 7, 5, 7, 8, 0.0)),
        ((1, 8), Geometry(3, 60, 3, 60, 8, 0.0)),
        ((7, 5), Geometry(7, 5, 7, 5, 1, 0.0)),
    ],
)
def test_equals_the_oracle(shape: tuple[int, int], place: Geometry) -> None:
    anomaly_map = np.random.default_rng(0).random(shape, dtype=np.float32)
    result = map_to_pixels(anomaly_map, place)
    assert result.dtype == np.float32
    assert result.shape == (place.height, place.width)
    np.testing.assert_allclose(result, oracle.map_to_pixels(anomaly_map, place), rtol=1e-5, atol=1e-6)


def test_stays_within_the_range_of_the_map() -> None:
    anomaly_map = np.random.default_rng(1).random((6, 6), dtype=np.float32)
    result = map_to_pixels(anomaly_map, Geometry(45, 47, 45, 47, 8, 0.0))
    assert result.min() >= anomaly_map.min()
    assert result.max() <= anomaly_map.max() + 1e-6
