"""What the values of masks mean, found from all masks of a collection."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from firstsight.collections.mask_values import MaskRule, StoredValues, find_convention, given_convention, parse_rule
from firstsight.errors import FirstsightError


def stored(*masks: Sequence[float], dtype: Any = np.uint8, lossy: bool = False) -> list[StoredValues]:
    return [StoredValues(np.array([values], dtype), lossy) for values in masks]


@pytest.mark.parametrize(
    ("masks", "rule", "says"),
    [
        (stored([0, 1]), "> 0", "0 and 1, 1 is anomalous"),
        (stored([0, 255]), "> 0", "0 and 255, 255 is anomalous"),
        (stored([0, 255], dtype=np.uint16), "> 0", "0 and 255, 255 is anomalous"),
        (stored([0, 255], dtype=np.int32), "> 0", "0 and 255, 255 is anomalous"),
        (stored([False, True], dtype=bool), "> 0", "0 and 1, 1 is anomalous"),
        (stored([0.0, 1.0], dtype=np.float32), "> 0", "0 and 1, 1 is anomalous"),
        (stored([0, 1], [0, 2], [0, 0], [3, 3]), "> 0", "class numbers 1 to 3, any is anomalous"),
        (stored(range(41)), "> 0", "class numbers 1 to 40, any is anomalous"),
        (stored(range(300), dtype=np.uint16), "> 0", "values 1, 2, 3, 4, 5, 6, 7, 8 and 291 more, any is anomalous"),
        (stored([0, 236], [0, 255]), "> 0", "values 236, 255, any is anomalous"),
        (stored([0, 255], [0, 2, 253, 255]), "> 127.5", "grey from 0 to 255, what is above 127.5 is anomalous"),
        (stored(range(256)), "> 127.5", "grey from 0 to 255, what is above 127.5 is anomalous"),
        (stored([0, 3], lossy=True), "> 127.5", "grey from 0 to 3, what is above 127.5 is anomalous"),
        (
            stored(np.linspace(0, 1, 40).tolist(), dtype=float),
            "> 0.5",
            "grey from 0 to 1, what is above 0.5 is anomalous",
        ),
        (stored([3, 255]), "> 127.5", "grey from 3 to 255, what is above 127.5 is anomalous"),
        (stored([1, 2]), "> 1.5", "grey from 1 to 2, what is above 1.5 is anomalous"),
        (stored([0, 0]), "> 0", "nothing is marked in them"),
        ([], "> 0", "nothing is marked in them"),
    ],
)
def test_conventions(masks: list[StoredValues], rule: str, says: str) -> None:
    found = find_convention(masks)
    assert (str(found.rule), found.says) == (rule, f"masks: {says}")


def test_a_mask_without_zeros_belongs_to_the_others() -> None:
    rule = find_convention(stored([0, 1], [2, 2])).rule
    assert rule.anomalous(np.array([0, 1, 2])).tolist() == [False, True, True]


@pytest.mark.parametrize(
    "rule", [MaskRule(above=0), MaskRule(above=127.5), MaskRule(among=(1, 3)), MaskRule(among=(0.1,))]
)
def test_a_rule_is_read_as_it_was_written(rule: MaskRule) -> None:
    assert parse_rule(str(rule)) == rule


def test_values_that_the_config_gives() -> None:
    given = given_convention([3, 1])
    assert given.says == "masks: 1, 3 are anomalous, as mask.positive says"
    assert given.rule.anomalous(np.array([[0, 1], [2, 3]])).tolist() == [[False, True], [False, True]]
    assert given_convention([255]).says == "masks: 255 is anomalous, as mask.positive says"


@pytest.mark.parametrize("text", ["", "> high", "1;2", "nothing"])
def test_what_is_no_rule(text: str) -> None:
    with pytest.raises(FirstsightError, match="not a rule for the values of masks"):
        parse_rule(text)
