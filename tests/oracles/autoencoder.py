"""The autoencoder in float64 numpy, cell by cell as the papers' 1x1 convolutions would see an image."""

import numpy as np
from numpy.typing import NDArray


def forward(weights: dict[str, NDArray[np.float32]], features: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Means and log deviations of the codes, and the reconstruction from the means: (latent, h, w) twice, (C, h, w).

    weights: by the names of the layers; features: (C, h, w).
    """
    _, height, width = features.shape
    places = [(row, column) for row in range(height) for column in range(width)]
    found = {place: _cell(weights, features[:, place[0], place[1]]) for place in places}
    results = []
    for part in range(3):
        maps = np.zeros((len(found[0, 0][part]), height, width))
        for row, column in places:
            maps[:, row, column] = found[row, column][part]
        results.append(maps)
    return results


def divergence(mean: float, deviation: float, samples: int, seed: int) -> float:
    """KL(N(mean, deviation^2) || N(0, 1)) by its definition: the mean of log p(x) / q(x) over samples x of p."""
    x = np.random.default_rng(seed).normal(mean, deviation, samples)
    log_p = -(((x - mean) / deviation) ** 2) / 2 - np.log(deviation)
    log_q = -(x**2) / 2
    return (log_p - log_q).mean()


def _cell(
    weights: dict[str, NDArray[np.float32]], cell: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    hidden = _relu(weights, "encoder.2", _relu(weights, "encoder.0", cell))
    mean = _linear(weights, "mean", hidden)
    log_deviation = _linear(weights, "log_deviation", hidden)
    hidden = _relu(weights, "decoder.2", _relu(weights, "decoder.0", mean))
    return mean, log_deviation, _relu(weights, "output", hidden)


def _linear(weights: dict[str, NDArray[np.float32]], name: str, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return weights[f"{name}.weight"].astype(np.float64) @ vector + weights[f"{name}.bias"].astype(np.float64)


def _relu(weights: dict[str, NDArray[np.float32]], name: str, vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(_linear(weights, name, vector), 0)
