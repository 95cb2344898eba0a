"""One vector for an image, or for a region of it, that says what its anomaly looks like.

After "Blind Localization and Clustering of Anomalies in Textures" (Ardelean and Weyrich, 2024): features, weighted by
the anomaly map, are summed over the image. Five things differ from the paper, for better clusters on real collections:
every cell has length 1, the weights hang on how rare a score is and not on its units, there are several weightings and
two layers, the image's own mean is not subtracted, and the descriptors of a collection are brought to comparable units.

Shapes: N images, C channels, W weightings. A raw descriptor is (W, C), a normalised one (W * C,).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from firstsight.clustering.thresholds import checked_scores
from firstsight.errors import FirstsightError
from firstsight.storage.geometry import Geometry

BLUR_SIGMA_PIXELS = 16.0
BLUR_REACH = 1.5
"""The blur ends this many sigmas from its centre: 7 x 7 cells at stride 8, as in the paper."""

SMOOTHED_OVER = 5
"""Nearest descriptors over which one is smoothed."""

LEAST_TO_SMOOTH = 8
LARGEST_COMPARED = 4_000
"""Descriptors with which others are compared, see `random_sample`."""

TEMPERATURES = ((2.0, 1.0), (1.0,))
"""Of the weightings of the finer and of the coarser layer: a cell weighs as its `rarity` says, that is, as the share of
cells that score as high to the powers of -1/2 and -1. The first describes what lies around the peak, too."""

SHARES = np.logspace(0, -4, 201)
"""Shares of the cells of a collection, each 5 % less than the one before."""

DESCRIBING_STRIDES = (8.0, 16.0)
"""Pixels between cells of the layers that descriptors are made of; the first is that of the paper's."""


def score_levels(scores: NDArray[np.floating]) -> list[float]:
    """The scores that are reached by certain shares of the cells of a collection, from all down to one in ten thousand.

    Args:
        scores: (n,) finite scores of all cells of all maps of a collection, or a random sample of them.

    Returns:
        As many ascending scores as there are `SHARES`.

    Raises:
        FirstsightError: there are no scores, or one is not finite.
    """
    levels: list[float] = np.quantile(checked_scores(scores, "scores"), 1 - SHARES, method="lower").tolist()
    return levels


def rarity(scores: NDArray[np.floating], levels: Sequence[float]) -> NDArray[np.float64]:
    """Minus the logarithm of the share of a collection's cells that score as high, one in ten thousand at least.

    What is rare counts, in whatever units a detector scores: any ascending function of all scores cancels out. The
    whole collection has the same levels, so that an image without anomalies is described by most of its cells and not
    by its loudest noise; and a few cells that score higher than all others count no more than the ten thousandth does.

    Args:
        scores: of any shape, finite.
        levels: of the collection, see `score_levels`.
    """
    place = np.searchsorted(levels, scores, side="right") - 1
    rare: NDArray[np.float64] = -np.log(SHARES)[np.maximum(place, 0)]
    return rare


def unit_cells(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale every cell of features (C, h, w) to length 1, so that its direction counts and not its strength.

    The strongest cells then do not dominate a mean over cells. A cell of zeros stays as it is.
    """
    values: NDArray[np.float64] = np.asarray(features, dtype=np.float64)
    length = np.linalg.norm(values, axis=0, keepdims=True)
    unit: NDArray[np.float64] = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return unit


def blur_features(features: NDArray[np.floating], stride: float) -> NDArray[np.float64]:
    """Blur features by a Gaussian of sigma 16 pixels (of the extractor's input), with reflected borders.

    At stride 8 that is the paper's 7 x 7 cells with sigma 2, at stride 16 it is 5 x 5 cells with sigma 1.

    Args:
        features: (C, h, w), finite, not scaled image by image, so that images can be compared.
        stride: distance between two cells, pixels.

    Raises:
        FirstsightError: the features do not have three dimensions, are empty, or hold a value that is not finite.
    """
    features = np.asarray(features, dtype=np.float64)
    if features.ndim != 3 or features.size == 0:
        raise FirstsightError(f"features {features.shape} are not (C, h, w), or are empty")
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
    features: NDArray[np.float64], scores: NDArray[np.floating], temperatures: Sequence[float]
) -> NDArray[np.float64]:
    """Describe cells by the mean of their features, once for each temperature.

    A cell has the weight exp(score / temperature).

    Args:
        features: (C, n) of `blur_features`: all cells of an image, or those around a region.
        scores: (n,) `rarity` of these cells, finite.
        temperatures: (W,) in units of the scores. At 0, the cells with the highest score weigh the same and the others
            nothing, so cells of equal scores all weigh the same.

    Returns:
        (W, C) descriptor. `normalise_descriptors` makes the descriptors of a collection comparable.

    Raises:
        FirstsightError: the shapes do not match, there are no cells, a score is not finite, or a temperature is
            negative or not finite.
    """
    scores = np.asarray(scores, dtype=np.float64)
    if features.ndim != 2 or features.shape[1:] != scores.shape or scores.size == 0:
        raise FirstsightError(f"features {features.shape} do not match scores {scores.shape}: (C, n) and (n,)")
    if not np.isfinite(scores).all():
        raise FirstsightError("the anomaly map holds values that are not finite")
    below = scores - scores.max()
    rows = []
    for temperature in temperatures:
        if not (np.isfinite(temperature) and temperature >= 0):
            raise FirstsightError(f"the temperature of the weights must be 0 or more, not {temperature}")
        # Where the temperature is far below the least difference in the map, the exponent overflows to -inf: weight 0.
        with np.errstate(over="ignore"):
            weights = np.exp(below / temperature) if temperature > 0 else (below == 0).astype(np.float64)
        rows.append(features @ (weights / weights.sum()))
    return np.array(rows)


def join_layers(rows: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """One descriptor of what several layers say of the same cells: (w, C_1), (w', C_2), ... to (W, C).

    W counts the weightings of all layers, C is the largest number of channels. Layers with fewer end in zeros, which do
    not vary and so count nothing.
    """
    channels = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(row, ((0, 0), (0, channels - row.shape[1]))) for row in rows])


def random_sample(count: int, seed: int) -> NDArray[np.int64]:
    """Indices of 4,000 of so many descriptors, drawn at random, in ascending order; of all where there are fewer."""
    if count <= LARGEST_COMPARED:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, LARGEST_COMPARED, replace=False))


def smooth_descriptors(descriptors: NDArray[np.floating], *, seed: int = 0) -> NDArray[np.float64]:
    """The mean of every descriptor and the 5 nearest to it, so that groups stand out from the noise between them.

    Where there are few, at most an eighth of all descriptors count. Linkage merges greedily, so noise in a few
    descriptors may move whole branches. On the development sets, with noise in maps and temperatures, smoothed
    descriptors made better clusters than plain ones, and varied less.

    Args:
        descriptors: (N, D), finite, normalised.
        seed: of the random sample of 4,000 descriptors with which all are compared where there are more.

    Returns:
        (N, D).
    """
    values: NDArray[np.float64] = np.asarray(descriptors, dtype=np.float64)
    count = len(values)
    wanted = min(SMOOTHED_OVER, count // LEAST_TO_SMOOTH)
    if wanted == 0:
        return values
    # Importing scikit-learn takes a second, and most jobs that import this module do not need it.
    from sklearn.neighbors import NearestNeighbors  # noqa: PLC0415

    sample = random_sample(count, seed)
    search = NearestNeighbors(n_neighbors=wanted + 1, algorithm="brute").fit(values[sample])
    smoothed = values.copy()
    for start in range(0, count, LARGEST_COMPARED):
        rows = np.arange(start, min(start + LARGEST_COMPARED, count))
        nearest = sample[search.kneighbors(values[rows], return_distance=False)]
        # A descriptor is its own nearest, unless it is not in the sample or has equals.
        others = np.array(
            [np.append(line[line != row], line)[:wanted] for row, line in zip(rows, nearest, strict=True)]
        )
        smoothed[rows] += values[others].sum(axis=1)
    return smoothed / (wanted + 1)


def describing_layers(places: Mapping[str, Mapping[str, Any]], layers: Sequence[str]) -> list[tuple[str, Geometry]]:
    """The layers whose strides are nearest to 8 and to 16 pixels (the last of equals), and how they lie on the image.

    The finer one comes first, and is alone where it is nearest to both. On the development sets the two together made
    clusters as good as the finer one alone, and better ones where few images are anomalous.

    Args:
        places: fields of `Geometry` for each layer, as the store of features keeps them.
        layers: names of the layers to choose from, at least one.
    """
    chosen: dict[str, Geometry] = {}
    for stride in DESCRIBING_STRIDES:
        layer = min(reversed(layers), key=lambda name: abs(np.log2(places[name]["stride"] / stride)))
        chosen[layer] = Geometry(**places[layer])
    return list(chosen.items())
