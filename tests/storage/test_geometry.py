"""Maps laid on images."""

import numpy as np
import pytest

from firstsight.storage.geometry import Geometry, map_to_cells, map_to_pixels
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


@pytest.mark.parametrize(
    ("shape", "place", "cells", "wanted"),
    [
        ((12, 9), Geometry(48, 36, 48, 36, 4, 1.5), Geometry(48, 36, 48, 36, 4, 1.5), (12, 9)),
        ((6, 5), Geometry(48, 40, 48, 40, 8, 3.5), Geometry(48, 40, 48, 40, 4, 2.5), (12, 10)),
        ((6, 5), Geometry(96, 80, 48, 40, 8, 3.5), Geometry(96, 80, 96, 80, 4, 0.0), (24, 20)),
    ],
)
def test_a_map_is_read_where_the_cells_of_another_lie(
    shape: tuple[int, int], place: Geometry, cells: Geometry, wanted: tuple[int, int]
) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    step = place.stride * place.height / place.input_height
    start = (place.offset + 0.5) * place.height / place.input_height
    slope = (2 * (start + step * rows) + start + step * columns).astype(np.float32)
    found = map_to_cells(slope, place, cells, wanted)
    assert found.shape == wanted
    assert found.dtype == np.float32
    rows, columns = np.mgrid[: wanted[0], : wanted[1]]
    enlarged = cells.height / cells.input_height
    expected = 3 * enlarged * (cells.offset + 0.5) + enlarged * cells.stride * (2 * rows + columns)
    np.testing.assert_allclose(found[3:-3, 3:-3], expected[3:-3, 3:-3], rtol=1e-6)
    assert found.min() >= slope.min()
    assert found.max() <= slope.max()


def test_no_cell_of_a_finer_map_is_passed_over() -> None:
    fine, coarse = Geometry(64, 64, 64, 64, 1, 0.0), Geometry(64, 64, 64, 64, 8, 3.5)
    for row in range(24, 40):
        anomaly_map = np.zeros((64, 64), np.float32)
        anomaly_map[row, 30] = 64
        found = map_to_cells(anomaly_map, fine, coarse, (8, 8))
        assert found.sum() == pytest.approx(1, rel=0.15)
