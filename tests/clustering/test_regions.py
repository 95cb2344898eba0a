import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.clustering.decision import Decision
from firstsight.clustering.regions import cells_around, covered_cells, find_image_regions, find_regions, highest_limit
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry
from oracles.regions import slow_regions


@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (23, 1), (8, 8), (31, 47)])
@pytest.mark.parametrize("density", [0.1, 0.35, 0.6, 0.95])
@pytest.mark.parametrize("minimum_area", [0, 1, 3, 4.5])
def test_regions_equal_a_flood_fill(shape: tuple[int, int], density: float, minimum_area: float) -> None:
    rng = np.random.default_rng([*shape, int(100 * density)])
    anomaly_map = rng.random(shape).astype(np.float32)
    threshold = 1 - density

    labels, regions = find_regions(anomaly_map, threshold, minimum_area=minimum_area)

    expected = slow_regions(anomaly_map, threshold, minimum_area)
    assert len(regions) == len(expected)
    painted = np.zeros(shape, dtype=np.int32)
    for number, (region, slow) in enumerate(zip(regions, expected, strict=True), start=1):
        rows = np.array([row for row, _ in slow.pixels])
        columns = np.array([column for _, column in slow.pixels])
        scores = anomaly_map[rows, columns]
        painted[rows, columns] = number
        assert region.region == number
        assert (region.x, region.y) == (columns.min(), rows.min())
        assert (region.width, region.height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
        assert region.area == len(slow.pixels)
        assert region.score_max == scores.max()
        assert region.score_mean == pytest.approx(scores.mean(), rel=1e-6)
        assert region.centroid_x == pytest.approx(columns.mean())
        assert region.centroid_y == pytest.approx(rows.mean())
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, painted)


def test_a_region_counts_only_with_a_peak_and_takes_its_scores_from_another_map() -> None:
    anomaly_map = np.array([[2.0, 3.0, 0.0, 2.0, 2.5], [0.0, 0.0, 0.0, 0.0, 2.0]])
    labels, regions = find_regions(anomaly_map, 1.0, peak=2.5, scores=10 * anomaly_map)
    assert [(region.x, region.area, region.score_max, region.score_mean) for region in regions] == [(0, 2, 30.0, 25.0)]
    np.testing.assert_array_equal(labels, [[1, 1, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert find_regions(anomaly_map, 1.0, peak=3.0)[1] == []


def test_diagonal_neighbours_are_one_region() -> None:
    _, regions = find_regions(np.eye(4), 0.5)
    assert [region.area for region in regions] == [4]


def test_a_region_whose_parts_meet_below_has_one_number() -> None:
    anomaly_map = np.array([[1, 0, 1, 0, 1], [1, 0, 1, 0, 0], [1, 1, 1, 0, 1]])
    labels, regions = find_regions(anomaly_map, 0.5)
    assert [(region.x, region.y, region.area) for region in regions] == [(0, 0, 7), (4, 0, 1), (4, 2, 1)]
    np.testing.assert_array_equal(labels[0], [1, 0, 1, 0, 2])


def test_numbers_stay_consecutive_when_small_regions_are_dropped() -> None:
    anomaly_map = np.zeros((5, 9))
    anomaly_map[0, 0] = 1
    anomaly_map[2, 1:4] = 1
    anomaly_map[4, 8] = 1
    anomaly_map[4, 4:7] = 1
    labels, regions = find_regions(anomaly_map, 0.5, minimum_area=2)
    assert [(region.region, region.x, region.y) for region in regions] == [(1, 1, 2), (2, 4, 4)]
    assert set(np.unique(labels)) == {0, 1, 2}


def test_a_score_equal_to_the_threshold_is_not_above_it() -> None:
    labels, regions = find_regions(np.full((3, 4), 0.25), 0.25)
    assert regions == []
    assert not labels.any()


def test_an_infinite_threshold_finds_nothing_and_minus_infinity_everything() -> None:
    anomaly_map = np.arange(6.0).reshape(2, 3)
    assert find_regions(anomaly_map, np.inf)[1] == []
    assert find_regions(anomaly_map, -np.inf)[1][0].area == 6


@pytest.mark.parametrize(
    ("anomaly_map", "threshold", "minimum_area", "message"),
    [
        (np.zeros(3), 0.5, 1, r"shape \(3,\)"),
        (np.array([[0.0, np.nan]]), 0.5, 1, "not finite"),
        (np.array([[0.0, np.inf]]), 0.5, 1, "not finite"),
        (np.zeros((2, 2)), np.nan, 1, "threshold"),
        (np.zeros((2, 2)), 0.5, -1, "-1"),
        (np.zeros((2, 2)), 0.5, np.nan, "nan"),
    ],
)
def test_bad_values_are_named(
    anomaly_map: NDArray[np.float64], threshold: float, minimum_area: float, message: str
) -> None:
    with pytest.raises(FirstsightError, match=message):
        find_regions(anomaly_map, threshold, minimum_area=minimum_area)


@pytest.mark.parametrize(
    ("place", "shape"),
    [
        (Geometry(31, 47, 31, 47, 8, 3.5), (4, 6)),
        (Geometry(31, 47, 62, 94, 16, 0.0), (4, 6)),
        (Geometry(31, 47, 15, 23, 4, 1.5), (3, 5)),
        (Geometry(31, 47, 31, 47, 1, 0.0), (31, 47)),
        (Geometry(31, 47, 124, 188, 2, 0.5), (62, 94)),
    ],
)
def test_a_pixel_covers_the_cell_with_the_nearest_centre(place: Geometry, shape: tuple[int, int]) -> None:
    labels, regions = find_regions(np.random.default_rng(3).random((31, 47)), 0.8)
    found = covered_cells(labels, place, shape)
    assert len(found) == len(regions) > 10
    for number, cells in enumerate(found, start=1):
        covered: set[int] = set()
        for y, x in zip(*np.nonzero(labels == number), strict=True):
            row = ((y + 0.5) * place.input_height / 31 - 0.5 - place.offset) / place.stride
            column = ((x + 0.5) * place.input_width / 47 - 0.5 - place.offset) / place.stride
            nearest = int(np.clip(round(row), 0, shape[0] - 1)) * shape[1] + int(
                np.clip(round(column), 0, shape[1] - 1)
            )
            covered.add(nearest)
        assert cells.tolist() == sorted(covered)
    centres = np.indices(shape).reshape(2, -1).T
    distances = np.stack(
        [np.linalg.norm(centres[:, None] - centres[cells], axis=2).min(axis=1) for cells in found], axis=1
    )
    around = cells_around(labels, place, shape)
    for number, cells in enumerate(around):
        nearest_of_all = distances.min(axis=1)
        assert (distances[cells, number] == nearest_of_all[cells]).all()
        alone = (distances == nearest_of_all[:, None]).sum(axis=1) == 1
        assert set(np.flatnonzero(alone & (distances[:, number] == nearest_of_all))) <= set(cells.tolist())
        assert set(found[number].tolist()) <= set(cells.tolist())
    assert set(np.concatenate(around).tolist()) == set(range(shape[0] * shape[1])), "each cell is somewhere"


def test_no_regions_cover_no_cells() -> None:
    nothing = np.zeros((5, 6), np.int32), Geometry(5, 6, 5, 6, 2, 0.5), (2, 3)
    assert covered_cells(*nothing) == cells_around(*nothing) == []


def test_ignored_pixels_are_in_no_region() -> None:
    cells = np.zeros((6, 8), np.float32)
    cells[2:4, 1:7] = 1
    place = Geometry(height=24, width=32, input_height=24, input_width=32, stride=4, offset=1.5)
    ignored = np.zeros((24, 32), bool)
    ignored[:, :16] = True
    (whole,) = find_image_regions(cells, place, Decision(0.5)).regions
    found = find_image_regions(cells, place, Decision(0.5), ignored)
    (part,) = found.regions
    assert whole.x < 16
    assert (part.x, part.x + part.width) == (16, whole.x + whole.width)
    assert not found.labels[ignored].any()


@pytest.mark.parametrize("place", [Geometry(30, 44, 30, 44, 4, 0.0), Geometry(61, 40, 30, 44, 4, 1.5)])
@pytest.mark.parametrize("with_ignored", [False, True])
def test_an_image_has_a_region_up_to_its_highest_limit(place: Geometry, with_ignored: bool) -> None:
    generator = np.random.default_rng(3)
    for _ in range(5):
        cells = generator.random((8, 11)).astype(np.float32)
        ignored = np.zeros((place.height, place.width), bool) if with_ignored else None
        if ignored is not None:
            ignored[: place.height // 2] = True
        limit = highest_limit(cells, place, ignored)
        below = Decision(float(np.nextafter(np.float32(limit), np.float32(-1))))
        assert find_image_regions(cells, place, below, ignored).regions
        assert not find_image_regions(cells, place, Decision(limit), ignored).regions
