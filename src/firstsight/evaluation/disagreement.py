"""How much detectors disagree about where the anomalies are, without ground truth and without a threshold."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from firstsight.errors import FirstsightError

TOP_SHARE = 0.02
"""Share of the cells, those with the highest scores, that count as a detector's findings."""


def disagreement(maps: NDArray[np.floating], top_share: float = TOP_SHARE) -> NDArray[np.float64]:
    """How much every two of D anomaly maps of one image disagree.

    The cells at which one map is highest are taken as ground truth for the other: the disagreement is the share of
    pairs, of such a cell and any other, that the other map ranks in the wrong order (1 - AUROC, ties count half),
    averaged over both directions. The scales of the maps do not matter.

    Args:
        maps: (D, n) scores of the same n cells, finite.
        top_share: in (0, 1): share of the cells that are a map's findings; at least one, including ties with the last.

    Returns:
        (D, D), symmetric, 0 on the diagonal: 0 if each map ranks the other's findings first, about 0.5 if they have
        nothing in common, 1 if they say the opposite. A constant map has 0.5 with every other one.

    Raises:
        FirstsightError: another shape, fewer than two cells, a score that is not finite, or a share out of range.
    """
    values = np.asarray(maps, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise FirstsightError(f"maps of shape {values.shape} are not (detectors, cells) with two cells or more")
    if not np.isfinite(values).all():
        raise FirstsightError("the anomaly maps hold values that are not finite")
    if not 0 < top_share < 1:
        raise FirstsightError(f"top_share is {top_share}, but must be above 0 and below 1")
    cells = values.shape[1]
    count = max(1, round(top_share * cells))
    top = values >= -np.partition(-values, count - 1, axis=1)[:, count - 1 : count]
    ranks = rankdata(values, axis=1)
    highest, others = top.sum(axis=1), (~top).sum(axis=1)
    # Mann and Whitney's statistic of row i's cells in the order of column j.
    above = top @ ranks.T - (highest * (highest + 1) / 2)[:, None]
    ordered = np.divide(above, (highest * others)[:, None], out=np.full_like(above, 0.5), where=others[:, None] > 0)
    missed = 1 - ordered
    both: NDArray[np.float64] = (missed + missed.T) / 2
    np.fill_diagonal(both, 0.0)
    return both
