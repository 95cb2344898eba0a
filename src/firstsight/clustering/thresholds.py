"""A threshold for a collection's anomaly maps, found without labels."""

import numpy as np
from numpy.typing import NDArray
from skimage.filters import threshold_otsu

from firstsight.errors import FirstsightError

# A normal distribution's standard deviation, divided by its median and by its mean absolute deviation from the median.
DEVIATION_PER_MEDIAN_DEVIATION = 1.4826
DEVIATION_PER_MEAN_DEVIATION = 1.2533

DEVIATIONS = 4.0
CALM_SHARE = 0.1
FEWEST_IMAGES = 10


def robust_deviation(scores: NDArray[np.floating]) -> float:
    """Standard deviation of the bulk of scores, from the median absolute deviation from the median.

    Where more than half of the scores are equal that deviation is 0, and the mean absolute deviation is used instead
    (Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993). The result is 0 only where all scores are equal.

    Args:
        scores: (n,) finite scores, at least one.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    scores = checked_scores(scores, "scores")
    deviations = np.abs(scores - np.median(scores))
    middle = float(np.median(deviations))
    if middle > 0:
        return DEVIATION_PER_MEDIAN_DEVIATION * middle
    return DEVIATION_PER_MEAN_DEVIATION * float(deviations.mean())


def anomaly_threshold(scores: NDArray[np.floating], *, image_maxima: NDArray[np.floating] | None = None) -> float:
    """Choose the score above which a cell of a collection is anomalous, from the scores alone.

    Of two rules, the one with the higher threshold holds:

    1. Cells: median + 4 robust deviations of the scores of all cells of all images. The median and the median absolute
       deviation describe the bulk of normal cells, whether 15 % of the cells are anomalous or none. Otsu's rule and the
       maximum-entropy rule split the scores in two whether or not there is anything to find (they mark up to 35 % and
       13 % of a collection of good images), and a fixed share of cells cannot fit both a collection with 0.4 % of
       anomalies and one with 11 %.
    2. Images: the largest scores of at least a tenth of the images stay below the threshold. A threshold that every
       image exceeds describes the texture, and a tenth of the images is assumed to be normal, or nearly so. Without
       this rule nearly every good image has a region. The rule is left out for fewer than 10 images.

    Args:
        scores: (n,) finite scores, in any order: all cells of all maps of a collection, or a random sample of these.
        image_maxima: (N,) the largest score of each image, for the second rule.

    Returns:
        The threshold, finite. An anomalous cell has a score greater than this. Where all scores are equal (or there is
        only one) it is that score, so that no cell is anomalous.

    Raises:
        FirstsightError: there are no scores, or a value is not finite.
    """
    scores = checked_scores(scores, "scores")
    threshold = float(np.median(scores)) + DEVIATIONS * robust_deviation(scores)
    if image_maxima is not None:
        image_maxima = checked_scores(image_maxima, "image maxima")
        if len(image_maxima) >= FEWEST_IMAGES:
            threshold = max(threshold, float(np.quantile(image_maxima, CALM_SHARE)))
    return threshold


def otsu_threshold(scores: NDArray[np.floating]) -> float:
    """The score that splits all scores into two classes with the least variance within them (Otsu 1979).

    It splits them whether or not there is anything to find.

    Args:
        scores: (n,) finite scores, at least one.

    Returns:
        The threshold; an anomalous cell has a score greater than this. Where all scores are equal it is that score.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    return float(threshold_otsu(checked_scores(scores, "scores")))


def checked_scores(values: NDArray[np.floating], name: str) -> NDArray[np.float64]:
    """The values as (n,) float64; a `FirstsightError` that names them if there are none or one is not finite."""
    checked: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
    if checked.ndim != 1:
        raise FirstsightError(f"the {name} have shape {checked.shape}, not one dimension")
    if checked.size == 0:
        raise FirstsightError(f"there are no {name} to find a threshold from")
    if not np.isfinite(checked).all():
        raise FirstsightError(f"the {name} hold {int((~np.isfinite(checked)).sum())} values that are not finite")
    return checked
