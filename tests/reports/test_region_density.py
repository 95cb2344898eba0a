"""Regions of a collection summed over the frame, against a sum pixel by pixel."""

import numpy as np
import pandas
import pytest
from numpy.typing import NDArray

from firstsight.reports.region_density import draw_density, region_density


def regions(*rows: tuple[str, int, int, int, int, int]) -> pandas.DataFrame:
    return pandas.DataFrame(list(rows), columns=["image", "x", "y", "width", "height", "area"])


def images(**sizes: tuple[int, int]) -> pandas.DataFrame:
    table = pandas.DataFrame([(name, *size) for name, size in sizes.items()], columns=["image", "width", "height"])
    return table.astype({"width": "Int32", "height": "Int32"})


def by_pixels(found: pandas.DataFrame, size: tuple[int, int], shape: tuple[int, int]) -> NDArray[np.float64]:
    """The sum where the pixels of an image divide evenly into cells: each box painted, then averaged over the cells."""
    painted = np.zeros(size[::-1])
    for x, y, width, height, area in found[["x", "y", "width", "height", "area"]].to_numpy(int):
        painted[y : y + height, x : x + width] += area / (width * height)
    return painted.reshape(shape[0], size[1] // shape[0], shape[1], size[0] // shape[1]).mean(axis=(1, 3))


@pytest.mark.parametrize(("size", "shape"), [((192, 192), (96, 96)), ((384, 192), (48, 96)), ((192, 576), (96, 32))])
def test_it_is_the_mean_of_what_the_boxes_cover(size: tuple[int, int], shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(0)
    rows = []
    for number in range(20):
        width, height = (int(generator.integers(1, length)) for length in size)
        x, y = int(generator.integers(size[0] - width + 1)), int(generator.integers(size[1] - height + 1))
        rows.append((str(number % 3), x, y, width, height, int(generator.integers(1, width * height + 1))))
    found = region_density(regions(*rows), images(**dict.fromkeys("0123", size)))
    assert found.shape == shape
    np.testing.assert_allclose(found, by_pixels(regions(*rows), size, shape), atol=1e-12)


def test_frames_of_several_sizes_lie_over_one_another() -> None:
    sizes = images(small=(50, 50), large=(500, 500), none=(20, 20))
    found = region_density(regions(("small", 25, 0, 25, 50, 1250), ("large", 250, 0, 250, 500, 62500)), sizes)
    assert np.allclose(found[:, 48:], 1.5)
    assert not found[:, :48].any()


def test_a_strip_keeps_a_height_that_can_be_seen() -> None:
    assert region_density(regions(("a", 0, 0, 1, 1, 1)), images(a=(9000, 10))).shape == (24, 96)


def test_nothing_is_transparent_and_the_most_is_opaque() -> None:
    density = np.zeros((24, 96))
    assert not np.asarray(draw_density(density))[..., 3].any()
    density[4, 10] = 3
    drawn = np.asarray(draw_density(density))
    assert drawn.shape == (96, 384, 4)
    assert drawn[..., 3].max() > 150
    assert not drawn[40:, ..., 3].any()
