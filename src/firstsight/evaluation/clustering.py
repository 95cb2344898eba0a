"""How well clusters agree with known kinds: matched F1, normalised mutual information, adjusted Rand index.

`true` and `predicted` are sequences of N labels, one an image: integers, strings, any hashable values; their names and
their order do not matter, and neither does whether both sides use the same names. All raise FirstsightError for no
labels, different lengths, and labels that are not hashable or not equal to themselves (nan).
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
    kinds, clusters = _paired_codes(true, predicted)
    table = np.zeros((kinds.max() + 1, clusters.max() + 1), dtype=np.int64)
    np.add.at(table, (kinds, clusters), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / table.sum())


def nmi(true: Iterable[Hashable], predicted: Iterable[Hashable]) -> float:
    """Mutual information divided by the arithmetic mean of the two entropies, in [0, 1]; that of scikit-learn.

    Two clusterings that both put all images into one cluster agree: 1.
    """
    # Importing scikit-learn takes a second, and most jobs that know this module need none of it.
    from sklearn.metrics import normalized_mutual_info_score  # noqa: PLC0415

    # Rounding may lead out of the range.
    return min(1.0, float(normalized_mutual_info_score(*_paired_codes(true, predicted))))


def ari(true: Iterable[Hashable], predicted: Iterable[Hashable]) -> float:
    """Rand index adjusted for chance, that of scikit-learn: 1 for equal clusterings, 0 on average for random ones.

    Hubert and Arabie, Comparing Partitions, 1985: pairs of images together in both clusterings, less their expected
    number, divided by its largest value less its expected number: at least -0.5. Where that is 0 / 0 (both clusterings
    put all images together, or all apart) they agree: 1.
    """
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    return float(adjusted_rand_score(*_paired_codes(true, predicted)))


def _paired_codes(
    true: Iterable[Hashable], predicted: Iterable[Hashable]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rows, columns = _codes(true), _codes(predicted)
    if rows.size != columns.size or rows.size == 0:
        raise FirstsightError(
            f"there must be a predicted label for every true one and at least one, got {columns.size} and {rows.size}"
        )
    return rows, columns


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
