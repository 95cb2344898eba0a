import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from firstsight.errors import FirstsightError
from firstsight.evaluation.clustering import ari, matched_f1, nmi
from oracles import clustering as oracle

METRICS = [matched_f1, nmi, ari]


def labels(seed: int, n: int = 20, kinds: int = 4, clusters: int = 4) -> tuple[list[int], list[int]]:
    random = np.random.default_rng(seed)
    true = random.integers(0, kinds, n)
    predicted = np.where(random.random(n) < 0.6, (true + 1) % clusters, random.integers(0, clusters, n))
    return true.tolist(), predicted.tolist()


@pytest.mark.parametrize("case", ["c3", "c5"])
def test_metrics_equal_the_reference_numbers(shared: Path, case: str) -> None:
    golden = np.load(shared / "golden" / "metrics.npz")
    true, predicted = golden[f"{case}.true"], golden[f"{case}.pred"]
    for name, metric in [("f1", matched_f1), ("nmi", nmi), ("ari", ari)]:
        assert metric(true, predicted) == pytest.approx(float(golden[f"{case}.{name}"]), abs=1e-6)


@pytest.mark.parametrize(("kinds", "clusters"), [(4, 4), (2, 5), (5, 2), (1, 3)])
@pytest.mark.parametrize("seed", range(5))
def test_metrics_equal_the_slow_way(seed: int, kinds: int, clusters: int) -> None:
    true, predicted = labels(seed, kinds=kinds, clusters=clusters)
    assert matched_f1(true, predicted) == pytest.approx(oracle.matched_f1(true, predicted), abs=1e-12)
    assert nmi(true, predicted) == pytest.approx(oracle.nmi(true, predicted), abs=1e-12)
    assert ari(true, predicted) == pytest.approx(oracle.ari(true, predicted), abs=1e-12)


@pytest.mark.parametrize(
    ("true", "predicted"),
    [
        (["a"], ["b"]),
        ([0, 0, 0], [1, 1, 1]),
        ([0, 1, 2], [5, 3, 4]),
        ([0, 0, 0], [0, 1, 2]),
        ([0, 1, 2], [7, 7, 7]),
        ([0, 0, 1, 1], [0, 1, 0, 1]),
        ([0, 0, 0, 1], [0, 1, 1, 1]),
        labels(0, n=500, kinds=60, clusters=70),
    ],
)
def test_nmi_and_ari_equal_the_slow_way_where_they_are_special(
    true: list[int | str], predicted: list[int | str]
) -> None:
    assert nmi(true, predicted) == pytest.approx(oracle.nmi(true, predicted), abs=1e-12)
    assert ari(true, predicted) == pytest.approx(oracle.ari(true, predicted), abs=1e-12)


def test_names_and_order_of_labels_do_not_matter() -> None:
    true, predicted = labels(seed=1)
    renamed = [("hole", "bent", None, 3.5)[label] for label in true]
    for metric in METRICS:
        assert metric(renamed, np.array(predicted).astype(str)) == metric(true, predicted)
        assert metric(true, [-label for label in true]) == pytest.approx(1)
        assert metric(predicted, true) == pytest.approx(metric(true, predicted))


def test_clusters_left_over_count_as_wrong() -> None:
    assert matched_f1("aaaabb", "xxyyzz") == pytest.approx(4 / 6)
    assert matched_f1("xxyyzz", "aaaabb") == pytest.approx(4 / 6)


def test_the_matching_is_the_best_and_not_the_greedy_one() -> None:
    # Taking the largest cell of the table first, (a, x) with 3, leaves (b, y) with 0.
    assert matched_f1("aaaaabb", "xxxyyxx") == pytest.approx(4 / 7)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([], [], "got 0 and 0"),
        ([1, 2], [1], "got 1 and 2"),
        ([1, math.nan], [1, 1], "label 1 is nan"),
        ([1, 1], np.array([1, np.nan]), "label 1 is nan"),
        ([[1], [2]], [1, 2], "label 0 cannot be compared: [1]"),
    ],
)
def test_bad_labels_are_named(true: list[Any], predicted: NDArray[np.float64] | list[int], message: str) -> None:
    for metric in METRICS:
        with pytest.raises(FirstsightError, match=re.escape(message)):
            metric(true, predicted)
