"""The score of an image."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.detectors.image_score import image_score


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (10, 15), (40, 50), (3, 300)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_it_is_the_mean_of_the_largest_hundredth(shape: tuple[int, int], dtype: type) -> None:
    values: NDArray[np.number[Any]] = (100 * np.random.default_rng(shape[1]).random(shape)).astype(dtype)
    ordered = sorted((float(value) for value in values.ravel()), reverse=True)
    count = max(1, round(len(ordered) / 100))
    assert image_score(values) == pytest.approx(sum(ordered[:count]) / count, rel=1e-12)


def test_a_single_cell_of_many_moves_it_little() -> None:
    values = np.ones((100, 100), np.float32)
    values[3, 4] = 11
    assert image_score(values) == pytest.approx(1.1)
