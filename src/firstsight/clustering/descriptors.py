"""One vector for an image, or for a region of it, that says what its anomaly looks like.

After "Blind Localization and Clustering of Anomalies in Textures" (Ardelean and Weyrich, 2024): features, weighted by
the anomaly map, are summed over the image. Three things are done differently, for better clusters on four real
collections: the weights do not depend on the scale of the map, the image's own mean stays in, and the descriptors of a
collection are brought to comparable units.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from firstsight.clustering.thresholds import robust_deviation
from firstsight.errors import FirstsightError

BLUR_SIZE = 7
BLUR_SIGMA = 2.0
DEVIATIONS_PER_TEMPERATURE = 0.5


def weighting_temperature(scores: NDArray[np.floating]) -> float:
    """The temperature, in units of the map, at which `image_descriptor` weighs the cells of a collection.

    Half a robust deviation of the scores of all cells of the collection: a cell counts e times as much as a cell half a
    deviation below it. Any factor on the maps cancels. One temperature for the whole collection, since then an image
    without anomalies is described by most of its cells and not by its loudest noise.

    Args:
        scores: (n,) finite scores of all cells of all maps of a collection, or a random sample of them.

    Returns:
        The temperature; 0 where all scores are equal.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    return DEVIATIONS_PER_TEMPERATURE * robust_deviation(scores)


def image_descriptor(
    features: NDArray[np.floating],
    anomaly_map: NDArray[np.floating],
    *,
    temperature: float,
    subtract_mean: bool = False,
) -> NDArray[np.float64]:
    """Describe an image by its features where its anomaly map is high.

    The features are blurred (7 x 7 Gaussian, sigma 2, reflected borders) and averaged with the weights
    softmax(anomaly_map / temperature) over all cells.

    Args:
        features: (C, h, w), finite, as they come from the extractor (not scaled per image, so that images compare).
        anomaly_map: (h, w), finite.
        temperature: of the softmax, in units of the map: `weighting_temperature` of the collection. At 0 the cells of
            the highest score weigh the same and the others nothing, so a map without variation weighs all cells alike.
        subtract_mean: take the spatial mean of the features off, as the paper does. For a collection that mixes several
            textures: clusters follow the textures less. Otherwise leave it in: an anomaly that covers much of an image
            is in the mean too, and would go away with it.

    Returns:
        (C,) descriptor. Descriptors of a collection become comparable by `normalise_descriptors`.

    Raises:
        FirstsightError: the shapes do not match, a value is not finite, or the temperature is negative.
    """
    anomaly_map = np.asarray(anomaly_map, dtype=np.float64)
    if not (np.isfinite(temperature) and temperature >= 0):
        raise FirstsightError(f"the temperature of the weights must be 0 or more, not {temperature}")
    if anomaly_map.size == 0 or not np.isfinite(anomaly_map).all():
        raise FirstsightError(f"the anomaly map {anomaly_map.shape} is empty or holds values that are not finite")
    below = anomaly_map - anomaly_map.max()
    # A temperature far below the least difference in the map overflows to -inf, whose weight is 0 as it should be.
    with np.errstate(over="ignore"):
        weights = np.exp(below / temperature) if temperature > 0 else (below == 0).astype(np.float64)
    return region_descriptor(features, weights, subtract_mean=subtract_mean)


def region_descriptor(
    features: NDArray[np.floating], weights: NDArray[np.floating], *, subtract_mean: bool = False
) -> NDArray[np.float64]:
    """Describe a part of an image by its features: the weighted mean of the blurred features.

    Args:
        features: (C, h, w), finite, as for `image_descriptor`.
        weights: (h, w), zero or positive, at least one positive: a mask, or the share of each cell that a region
            covers. Any factor on the weights cancels.
        subtract_mean: take the spatial mean of the features off, as in `image_descriptor`.

    Returns:
        (C,) descriptor.

    Raises:
        FirstsightError: the shapes do not match, a feature is not finite, a weight is negative or not finite, or all
            weights are 0.
    """
    features = np.asarray(features, dtype=np.float64)
    weights = np.asarray(weights, dtype=np.float64)
    if features.ndim != 3 or features.shape[1:] != weights.shape:
        raise FirstsightError(f"features {features.shape} do not match a map {weights.shape}: (C, h, w) and (h, w)")
    if not np.isfinite(features).all():
        raise FirstsightError("the features hold values that are not finite")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise FirstsightError("the weights of a descriptor must be finite, none negative and at least one positive")
    kernel = np.exp(-((np.arange(BLUR_SIZE) - BLUR_SIZE // 2) ** 2) / (2 * BLUR_SIGMA**2))
    kernel /= kernel.sum()
    blurred = correlate1d(correlate1d(features, kernel, axis=1, mode="mirror"), kernel, axis=2, mode="mirror")
    # Scaled by the largest first, so that very small weights do not vanish in the sum.
    shares = weights / weights.max()
    shares /= shares.sum()
    descriptor: NDArray[np.float64] = np.einsum("chw,hw->c", blurred, shares)
    if subtract_mean:
        descriptor = descriptor - blurred.mean(axis=(1, 2))
    return descriptor


def normalise_descriptors(descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Bring the descriptors of a collection to units in which Euclidean distances say how alike they are.

    Each channel is standardised over the collection, so that loud channels do not decide alone; the signed square root
    tames the few channels in which a single image is extreme, around which Ward linkage would otherwise make a cluster;
    each descriptor is scaled to length 1, so that direction (the kind of anomaly) counts and not magnitude (how strong
    it is).

    Args:
        descriptors: (N, C), finite.

    Returns:
        (N, C), rows of length 1; a row equal to the collection's mean (every row, where all are the same) is 0, and so
        is a channel that does not vary.

    Raises:
        FirstsightError: there are not two dimensions, or a value is not finite.
    """
    values: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    if values.ndim != 2:
        raise FirstsightError(f"descriptors have two dimensions (N, C), not shape {values.shape}")
    if not np.isfinite(values).all():
        raise FirstsightError("the descriptors hold values that are not finite")
    if len(values) == 0:
        return values.copy()
    # Rounding leaves a deviation of about 1e-16 of the values in a channel that is constant: it counts as none.
    magnitude = np.abs(values).max(axis=0)
    centred = values - values.mean(axis=0)
    deviation = centred.std(axis=0)
    varies = deviation > 1e-12 * magnitude
    standardised = np.where(varies, centred / np.where(varies, deviation, 1.0), 0.0)
    rooted = np.sign(standardised) * np.sqrt(np.abs(standardised))
    length = np.sqrt((rooted**2).sum(axis=1, keepdims=True))
    unit: NDArray[np.float64] = rooted / np.where(length > 0, length, 1.0)
    return unit
