"""Disagreement of maps against counting pairs of cells."""

import numpy as np
import pytest

from firstsight.errors import FirstsightError
from firstsight.evaluation.disagreement import disagreement
from oracles import disagreement as oracle


@pytest.mark.parametrize(("cells", "levels", "share"), [(2, 2, 0.5), (50, 4, 0.02), (61, 1000, 0.1), (40, 3, 0.9)])
def test_it_counts_pairs_in_the_wrong_order(cells: int, levels: int, share: float) -> None:
    maps = np.random.default_rng(cells).integers(0, levels, (5, cells)).astype(np.float32)
    found = disagreement(maps, share)
    assert found == pytest.approx(found.T)
    for first in range(5):
        for second in range(first):
            assert found[first, second] == pytest.approx(oracle.disagreement(maps[first], maps[second], share))


def test_the_ends_of_the_scale() -> None:
    ramp = np.arange(200.0)
    found = disagreement(np.stack([ramp, ramp**3, -ramp, np.ones(200)]))
    assert found[0, 1] == 0
    assert found[0, 2] == 1
    assert found[3] == pytest.approx([0.5, 0.5, 0.5, 0])


@pytest.mark.parametrize(
    ("maps", "share", "words"),
    [
        (np.zeros((3, 1)), 0.1, "two cells"),
        (np.zeros(3), 0.1, "are not"),
        (np.array([[0, np.nan], [0, 1]]), 0.1, "not finite"),
        (np.zeros((2, 4)), 0.0, "top_share is 0.0"),
        (np.zeros((2, 4)), 1.0, "top_share is 1.0"),
    ],
)
def test_what_is_refused(maps: np.ndarray, share: float, words: str) -> None:
    with pytest.raises(FirstsightError, match=words):
        disagreement(maps, share)
