"""How well clusters agree with known kinds: matched F1, normalised mutual information, adjusted Rand index.

`true` and `predicted` are sequences of N labels, one an image: integers, strings, any hashable values; their names and
their order do not matter, and neither does whether both sides use the same names. All three follow from the
contingency table, (true clusters, predicted clusters): how many images fall into each pair. All raise FirstsightError
for no labels, different lengths, and labels that are not hashable or not equal to themselves (nan).
"""

from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from firstsight.errors import FirstsightError


def matched_f1(true: Iterable[Hashable], predicted: Iterable[Hashable]) -> float:
    """The fraction of images in agreement after the best one-to-one matching of clusters to kinds, in (0, 1].

    The Hungarian algorithm picks the matching with the most images on it; clusters or kinds left over count as wrong.
    Papers on blind clustering report this accuracy as 'F1': where every image has exactly one label it equals the
    micro-averaged F1.
    """
    table = _contingency(true, predicted)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def nmi(true: Iterable[Hashable], predicted: Iterable[Hashable]) -> float:
    """Mutual information divided by the arithmetic mean of the two entropies, in [0, 1].

    Two clusterings that both put all images into one cluster agree: 1. (scikit-learn's default normalisation.)
    """
    joint = _contingency(true, predicted)
    joint_entropy, *entropies = (_entropy(counts.ravel()) for counts in (joint, joint.sum(1), joint.sum(0)))
    if sum(entropies) == 0:
        return 1.0
    # I = H(true) + H(predicted) - H(true, predicted), kept from leaving its range by rounding.
    return float(np.clip(2 * (1 - joint_entropy / sum(entropies)), 0.0, 1.0))


def ari(true: Iterable[Hashable], predicted: Iterable[Hashable]) -> float:
    """Rand index adjusted for chance: 1 for equal clusterings, 0 on average for random ones, at least -0.5.

    Hubert and Arabie, Comparing Partitions, 1985: pairs of images together in both clusterings, less their expected
    number, divided by its largest value less its expected number. Where that is 0 / 0 (both clusterings put all images
    together, or all apart) they agree: 1.
    """
    table = _contingency(true, predicted)
    together, in_true, in_predicted, pairs = (
        int((counts * (counts - 1) // 2).sum()) for counts in (table, table.sum(1), table.sum(0), table.sum())
    )
    expected = in_true * in_predicted / pairs if pairs else 0.0
    largest = (in_true + in_predicted) / 2
    return 1.0 if largest == expected else (together - expected) / (largest - expected)


def _contingency(true: Iterable[Hashable], predicted: Iterable[Hashable]) -> NDArray[np.int64]:
    rows, columns = _codes(true), _codes(predicted)
    if rows.size != columns.size or rows.size == 0:
        raise FirstsightError(
            f"there must be a predicted label for every true one and at least one, got {columns.size} and {rows.size}"
        )
    table = np.zeros((rows.max() + 1, columns.max() + 1), dtype=np.int64)
    np.add.at(table, (rows, columns), 1)
    return table


def _codes(labels: Iterable[Hashable]) -> NDArray[np.int64]:
    """Numbers the distinct labels in the order in which they first occur."""
    numbers: dict[Hashable, int] = {}
    codes = []
    for index, label in enumerate(labels):
        try:
            codes.append(numbers.setdefault(label, len(numbers)))
            missing = bool(label != label)  # noqa: PLR0124 (true of nan and NaT alone)
        except TypeError as error:
            raise FirstsightError(f"label {index} cannot be compared: {label!r}") from error
        if missing:
            raise FirstsightError(f"label {index} is {label}: give a missing label a name, or leave the image out")
    return np.array(codes, dtype=np.int64)


def _entropy(counts: NDArray[np.int64]) -> float:
    """Shannon entropy, in nats, of a distribution given by counts."""
    shares = counts[counts > 0] / counts.sum()
    return float(-np.sum(shares * np.log(shares)))
