"""PFAM's modules in float64 numpy, from the equations: one channel, one cell at a time."""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dctn
from scipy.signal import correlate2d


def frequency_coefficients(
    maps: NDArray[np.float64], frequencies: list[tuple[int, int]] | tuple[tuple[int, int], ...]
) -> NDArray[np.float64]:
    """(B, C): of each channel the orthonormal cosine coefficient of its (u, v), divided by sqrt(h * w)."""
    height, width = maps.shape[2:]
    found = np.zeros(maps.shape[:2])
    for image, channels in enumerate(maps.astype(np.float64)):
        for channel, (u, v) in enumerate(frequencies):
            transform = dctn(channels[channel], type=2, norm="ortho")
            found[image, channel] = transform[min(u, height - 1), min(v, width - 1)] / np.sqrt(height * width)
    return found


def channel_attention(
    weights: dict[str, NDArray[np.float64]], maps: NDArray[np.float64], frequencies: tuple[tuple[int, int], ...]
) -> NDArray[np.float64]:
    """Maps (C, h, w) times 2 * sigmoid(W2 relu(W1 coefficients))."""
    coefficients = frequency_coefficients(maps[None], frequencies)[0]
    hidden = np.maximum(weights["squeeze.weight"] @ coefficients, 0)
    gates = 2 / (1 + np.exp(-(weights["excite.weight"] @ hidden)))
    return maps * gates[:, None, None]


def attended(p: NDArray[np.float64], k: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eq. 5 and the sum in Eq. 6, without alpha: p, k, v (C, h, w) to (C, h, w)."""
    flat_p, flat_k, flat_v = (values.reshape(len(values), -1) for values in (p, k, v))
    logits = np.einsum("ci,cj->ji", flat_p, flat_k)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    s = exponentials / exponentials.sum(axis=1, keepdims=True)
    return np.einsum("ji,ci->cj", s, flat_v).reshape(k.shape)


def position_attention(weights: dict[str, NDArray[np.float64]], maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """E = alpha * leaky ReLU(attended) + A, of maps (C, h, w)."""
    p, k, v = (pointwise(weights, name, maps) for name in "pkv")
    sums = attended(p, k, v)
    return weights["alpha"] * np.where(sums > 0, sums, 0.01 * sums) + maps


def pointwise(weights: dict[str, NDArray[np.float64]], name: str, maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """A 1x1 convolution of maps (C, h, w), with a bias where there is one."""
    matrix = weights[f"{name}.weight"][:, :, 0, 0]
    bias = weights.get(f"{name}.bias", np.zeros(len(matrix)))
    return np.einsum("oc,chw->ohw", matrix, maps) + bias[:, None, None]


def mfcsam(
    weights: dict[str, NDArray[np.float64]], maps: NDArray[np.float64], frequencies: list[tuple[tuple[int, int], ...]]
) -> NDArray[np.float64]:
    """Eq. 3 to 7 of maps (C, h, w); frequencies: of every scale, the pairs (u, v) of its channels."""
    results = []
    for scale, pairs in enumerate(frequencies):
        kernels, biases = weights[f"convolutions.{scale}.weight"], weights[f"convolutions.{scale}.bias"]
        margin = scale + 1
        padded = np.pad(maps, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
        split = np.stack(
            [
                bias + sum(correlate2d(padded[channel], kernel[channel], mode="valid") for channel in range(len(maps)))
                for kernel, bias in zip(kernels, biases, strict=True)
            ]
        )
        gated = channel_attention(_inside(weights, f"attentions.{scale}.0."), split, pairs)
        results.append(position_attention(_inside(weights, f"attentions.{scale}.1."), gated))
    return np.concatenate(results)


def _inside(weights: dict[str, NDArray[np.float64]], prefix: str) -> dict[str, NDArray[np.float64]]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
