"""The units of a collection's descriptors, in which distances say how alike anomalies are.

Shapes: N images, W weightings, C channels. A raw descriptor is (W, C), a normalised one (W * C,).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class Normalisation:
    """The units of a collection's descriptors.

    Attributes:
        mean, deviation: (W, C) of each channel over the collection; a channel that does not vary has deviation 0.
        limit: no descriptor of the collection can be farther from the mean, in deviations; any that is normalised later
            is clipped to it. (Otherwise a channel that hardly varied would drown all others.)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    limit: float


def fit_normalisation(descriptors: NDArray[np.floating]) -> Normalisation:
    """Find the units of a collection's descriptors, (N, W, C), finite, at least one.

    Raises:
        FirstsightError: the descriptors do not have three dimensions, there are none, or a value is not finite.
    """
    values = _checked(descriptors)
    if len(values) == 0:
        raise FirstsightError("there are no descriptors to find the units of")
    mean = values.mean(axis=0)
    deviation = (values - mean).std(axis=0)
    # In a constant channel, rounding leaves a deviation of about 1e-16 of the values, which counts as none.
    varies = deviation > 1e-12 * np.abs(values).max(axis=0)
    return Normalisation(mean, np.where(varies, deviation, 0.0), float(np.sqrt(max(len(values) - 1, 1))))


def root_descriptors(descriptors: NDArray[np.floating], normalisation: Normalisation) -> NDArray[np.float64]:
    """Standardise each channel and take the signed square root; distances then compare both kind and strength.

    Standardising keeps loud channels from deciding alone; the root tames the few channels where one image is extreme.

    Args:
        descriptors: (N, W, C), finite.
        normalisation: of the collection.

    Returns:
        (N, W, C); 0 in a channel that does not vary.

    Raises:
        FirstsightError: the shapes do not match, or a value is not finite.
    """
    values = _checked(descriptors)
    if values.shape[1:] != normalisation.mean.shape:
        shape, known = (" x ".join(map(str, sizes)) for sizes in (values.shape[1:], normalisation.mean.shape))
        raise FirstsightError(f"descriptors of {shape} values do not compare with those of {known}: other features")
    varies = normalisation.deviation > 0
    # In place, since the descriptors of many images fill the memory.
    standardised: NDArray[np.float64] = values - normalisation.mean
    standardised /= np.where(varies, normalisation.deviation, 1.0)
    standardised *= varies
    np.clip(standardised, -normalisation.limit, normalisation.limit, out=standardised)
    rooted: NDArray[np.float64] = np.abs(standardised)
    np.sqrt(rooted, out=rooted)
    np.copysign(rooted, standardised, out=rooted)
    return rooted


def join_weightings(rooted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each weighting of `root_descriptors` to length 1 and join all: (N, W, C) to (N, W * C), of length 1.

    Euclidean distances then say how alike descriptors are in direction (the kind of anomaly), not in magnitude (how
    strong it is). A weighting of length 0 stays 0.
    """
    length = np.sqrt((rooted**2).sum(axis=2, keepdims=True))
    unit = rooted / np.where(length > 0, length, 1.0) / np.sqrt(rooted.shape[1])
    return unit.reshape(len(rooted), -1)


def normalise_descriptors(
    descriptors: NDArray[np.floating], normalisation: Normalisation | None = None
) -> NDArray[np.float64]:
    """Bring descriptors to units in which Euclidean distances say how alike they are.

    `root_descriptors` comes first, then `join_weightings`.

    Args:
        descriptors: (N, W, C), finite.
        normalisation: of the collection; by default that of these descriptors.

    Returns:
        (N, W * C), rows of length 1; a row equal to the collection's mean (every row where all are the same) is 0, and
        so is a channel that does not vary.

    Raises:
        FirstsightError: the descriptors do not have three dimensions, the shapes do not match, or a value is not
            finite.
    """
    return join_weightings(root_descriptors(descriptors, normalisation or fit_normalisation(descriptors)))


def _checked(descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    if values.ndim != 3:
        raise FirstsightError(f"descriptors have three dimensions (N, W, C), not shape {values.shape}")
    if not np.isfinite(values).all():
        raise FirstsightError("the descriptors hold values that are not finite")
    return values
