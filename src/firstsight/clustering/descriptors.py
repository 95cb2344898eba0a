"""One vector for an image, or for a region of it, that says what its anomaly looks like.

After "Blind Localization and Clustering of Anomalies in Textures" (Ardelean and Weyrich, 2024): features, weighted by
the anomaly map, are summed over the image. Five things are done differently, for better clusters on four real
collections: each cell has length 1, the weights do not depend on the scale of the map, there are two of them, the
image's own mean stays in, and the descriptors of a collection are brought to comparable units.

Shapes: N images, C channels, W weightings. A raw descriptor is (W, C), a normalised one (W * C,).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from firstsight.clustering.thresholds import robust_deviation
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry

BLUR_SIGMA_PIXELS = 16.0
BLUR_REACH = 1.5
"""The blur ends this many sigmas from its centre: 7 x 7 cells at stride 8, as in the paper."""

LEAST_TO_SMOOTH = 8
LARGEST_COMPARED = 4_000

DEVIATIONS = (0.5, 1.0)
"""Temperatures of the weightings, in robust deviations of the cells of a collection."""


def weighting_temperatures(scores: NDArray[np.floating]) -> tuple[float, ...]:
    """The temperatures, in units of the map, at which `describe` weighs the cells of a collection.

    A half and a whole robust deviation of the scores of all cells of the collection: a cell counts e times as much as
    one that much below it. The first describes the peak, the second what lies around it. Any factor on the maps
    cancels. One set of temperatures for the whole collection, since then an image without anomalies is described by
    most of its cells and not by its loudest noise.

    Args:
        scores: (n,) finite scores of all cells of all maps of a collection, or a random sample of them.

    Returns:
        (W,) temperatures; 0 where all scores are equal.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    deviation = robust_deviation(scores)
    return tuple(factor * deviation for factor in DEVIATIONS)


def unit_cells(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale every cell of features (C, h, w) to length 1, so that its direction counts and not its strength.

    A mean over cells is then not one over the strongest of them. A cell of zeros stays.
    """
    values: NDArray[np.float64] = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(values, axis=0, keepdims=True)
    unit: NDArray[np.float64] = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return unit


def blur_features(features: NDArray[np.floating], stride: float) -> NDArray[np.float64]:
    """Blur features by a Gaussian of sigma 16 pixels (of what entered the extractor), with reflected borders.

    That is the paper's 7 x 7 cells with sigma 2 at stride 8, and 5 x 5 cells with sigma 1 at stride 16.

    Args:
        features: (C, h, w), finite, not scaled per image, so that images compare.
        stride: distance between two cells, pixels.

    Raises:
        FirstsightError: there are not three dimensions, none of them empty, or a feature is not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 3 or features.size == 0:
        raise FirstsightError(f"features {features.shape} are not (C, h, w), or empty")
    if not np.isfinite(features).all():
        raise FirstsightError("the features hold values that are not finite")
    sigma = BLUR_SIGMA_PIXELS / stride
    radius = int(np.ceil(BLUR_REACH * sigma))
    kernel = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * sigma**2))
    kernel /= kernel.sum()
    blurred: NDArray[np.float64] = correlate1d(
        correlate1d(features, kernel, axis=1, mode="mirror"), kernel, axis=2, mode="mirror"
    )
    return blurred


def describe(
    features: NDArray[np.float64],
    scores: NDArray[np.floating],
    temperatures: Sequence[float],
    share: NDArray[np.floating] | NDArray[np.integer] | None = None,
) -> NDArray[np.float64]:
    """Describe cells by the mean of their features, once for each temperature.

    A cell has the weight share * exp(score / temperature).

    Args:
        features: (C, n) of `blur_features`: all cells of an image, or those that a region covers.
        scores: (n,) of the anomaly map at these cells, finite.
        temperatures: (W,) in units of the map: `weighting_temperatures` of the collection. At 0 the cells of the
            highest score weigh the same and the others nothing, so cells of equal scores weigh all alike.
        share: (n,) positive: how much of each cell belongs to what is described, in any unit; by default all cells
            alike.

    Returns:
        (W, C) descriptor. Descriptors of a collection become comparable by `normalise_descriptors`.

    Raises:
        FirstsightError: the shapes do not match, there are no cells, a score is not finite, a temperature is negative
            or not finite, or a share is not positive.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if features.ndim != 2 or features.shape[1:] != scores.shape or scores.size == 0:
        raise FirstsightError(f"features {features.shape} do not match scores {scores.shape}: (C, n) and (n,)")
    if not np.isfinite(scores).all():
        raise FirstsightError("the anomaly map holds values that are not finite")
    parts = np.ones(len(scores)) if share is None else np.asarray(share, dtype=np.float64)
    if parts.shape != scores.shape or not (np.isfinite(parts).all() and (parts > 0).all()):
        raise FirstsightError("the share of a cell in a region must be positive, and there must be one for each cell")
    below = scores - scores.max()
    rows = []
    for temperature in temperatures:
        if not (np.isfinite(temperature) and temperature >= 0):
            raise FirstsightError(f"the temperature of the weights must be 0 or more, not {temperature}")
        # A temperature far below the least difference in the map overflows to -inf, whose weight is 0 as it should be.
        with np.errstate(over="ignore"):
            weights = parts * (np.exp(below / temperature) if temperature > 0 else below == 0)
        rows.append(features @ (weights / weights.sum()))
    return np.array(rows)


@dataclass(frozen=True)
class Normalisation:
    """The units of a collection's descriptors.

    mean, deviation: (W, C) of each channel over the collection; a channel that does not vary has deviation 0.
    limit: no descriptor of the collection can be farther from the mean, in deviations, and none that is normalised
        later counts as farther. (A channel that hardly varied would drown all others.)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    limit: float


def fit_normalisation(descriptors: NDArray[np.floating]) -> Normalisation:
    """Find the units of a collection's descriptors, (N, W, C), finite, at least one.

    Raises:
        FirstsightError: there are not three dimensions, no descriptor, or a value is not finite.
    """
    values = _checked(descriptors)
    if len(values) == 0:
        raise FirstsightError("there are no descriptors to find the units of")
    mean = values.mean(axis=0)
    deviation = (values - mean).std(axis=0)
    # Rounding leaves a deviation of about 1e-16 of the values in a channel that is constant: it counts as none.
    varies = deviation > 1e-12 * np.abs(values).max(axis=0)
    return Normalisation(mean, np.where(varies, deviation, 0.0), float(np.sqrt(max(len(values) - 1, 1))))


def root_descriptors(descriptors: NDArray[np.floating], normalisation: Normalisation) -> NDArray[np.float64]:
    """Standardise each channel and take the signed square root: distances say how alike, and how alike in strength.

    Standardised, loud channels do not decide alone; the root tames the few channels in which a single image is extreme.

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
        found, known = (" x ".join(map(str, shape)) for shape in (values.shape[1:], normalisation.mean.shape))
        raise FirstsightError(f"descriptors of {found} values do not compare with those of {known}: other features")
    varies = normalisation.deviation > 0
    standardised = (values - normalisation.mean) / np.where(varies, normalisation.deviation, 1.0)
    standardised = np.clip(np.where(varies, standardised, 0.0), -normalisation.limit, normalisation.limit)
    rooted: NDArray[np.float64] = np.sign(standardised) * np.sqrt(np.abs(standardised))
    return rooted


def join_weightings(rooted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale each weighting of `root_descriptors` to length 1, and join them: (N, W, C) to (N, W * C), of length 1.

    Euclidean distances then say how alike descriptors are in direction (the kind of anomaly), not in magnitude (how
    strong it is). A weighting of length 0 stays 0.
    """
    length = np.sqrt((rooted**2).sum(axis=2, keepdims=True))
    unit = rooted / np.where(length > 0, length, 1.0) / np.sqrt(rooted.shape[1])
    return unit.reshape(len(rooted), -1)


def normalise_descriptors(
    descriptors: NDArray[np.floating], normalisation: Normalisation | None = None
) -> NDArray[np.float64]:
    """Bring descriptors to units in which Euclidean distances say how alike they are: `root`, then `join`.

    Args:
        descriptors: (N, W, C), finite.
        normalisation: of the collection; by default that of these descriptors.

    Returns:
        (N, W * C), rows of length 1; a row equal to the collection's mean (every row, where all are the same) is 0,
        and so is a channel that does not vary.

    Raises:
        FirstsightError: there are not three dimensions, the shapes do not match, or a value is not finite.
    """
    return join_weightings(root_descriptors(descriptors, normalisation or fit_normalisation(descriptors)))


def _checked(descriptors: NDArray[np.floating]) -> NDArray[np.float64]:
    values: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    if values.ndim != 3:
        raise FirstsightError(f"descriptors have three dimensions (N, W, C), not shape {values.shape}")
    if not np.isfinite(values).all():
        raise FirstsightError("the descriptors hold values that are not finite")
    return values


def smooth_descriptors(descriptors: NDArray[np.floating], *, neighbours: int = 5, seed: int = 0) -> NDArray[np.float64]:
    """The mean of every descriptor and those nearest to it: groups stand out from the noise in between.

    Linkage merges greedily, so that noise in a few descriptors may move whole branches. On the development sets, with
    noise in maps and temperatures, smoothed descriptors made better clusters than plain ones, and varied less.

    Args:
        descriptors: (N, D), finite, normalised.
        neighbours: how many of the nearest count; at most an eighth of the descriptors.
        seed: of the random sample of 4,000 descriptors that all are compared with, where there are more.

    Returns:
        (N, D).
    """
    values: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    count = len(values)
    wanted = min(neighbours, count // LEAST_TO_SMOOTH)
    if wanted == 0:
        return values
    # Importing scikit-learn takes a second, and most jobs that know this module need none of it.
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

    sample = np.arange(count)
    if count > LARGEST_COMPARED:
        sample = np.sort(np.random.default_rng(seed).choice(count, LARGEST_COMPARED, replace=False))
    search = NearestNeighbors(n_neighbors=wanted + 1, algorithm="brute").fit(values[sample])
    smoothed = values.copy()
    for start in range(0, count, LARGEST_COMPARED):
        rows = np.arange(start, min(start + LARGEST_COMPARED, count))
        nearest = sample[search.kneighbors(values[rows], return_distance=False)]
        # Itself comes first, unless it is not in the sample or has equals.
        others = np.array(
            [np.append(line[line != row], line)[:wanted] for row, line in zip(rows, nearest, strict=True)]
        )
        smoothed[rows] += values[others].sum(axis=1)
    return smoothed / (wanted + 1)


def coarsest_layer(places: Mapping[str, Mapping[str, Any]], layers: Sequence[str]) -> tuple[str, Geometry]:
    """Of these layers the one with the largest stride, of equals the last, and how it lies on the image.

    Args:
        places: fields of `Geometry` for each layer, as the store of features keeps them.
        layers: names, at least one.
    """
    layer = max(reversed(layers), key=lambda name: places[name]["stride"])
    return layer, Geometry(**places[layer])
