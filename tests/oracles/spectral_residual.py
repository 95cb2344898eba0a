"""Spectral residual with every mean of log amplitudes taken frequency by frequency."""

import numpy as np
from numpy.typing import NDArray

from oracles.image_input import smooth


def spectral_residual(
    grey: NDArray[np.float32], *, average_size: int, sigma: float, border: str
) -> NDArray[np.float64]:
    """The saliency (h, w) of a grey image."""
    height, width = grey.shape
    image = np.pad(grey.astype(np.float64), ((0, height), (0, width)), "symmetric") if border == "reflect" else grey
    spectrum = np.fft.fft2(image.astype(np.float64)) / np.sqrt(image.size)
    amplitude, phase = np.abs(spectrum), np.angle(spectrum)
    held = amplitude > 1e-9 * amplitude.max()
    held[0, 0] = False
    rebuilt = np.zeros(spectrum.shape, complex)
    reach = range(-(average_size // 2), average_size // 2 + 1)
    for row, column in zip(*np.nonzero(held), strict=True):
        places = [((row + i) % image.shape[0], (column + j) % image.shape[1]) for i in reach for j in reach]
        mean = np.mean([np.log(amplitude[place]) for place in places if held[place]])
        rebuilt[row, column] = np.exp(np.log(amplitude[row, column]) - mean + 1j * phase[row, column])
    saliency = np.abs(np.fft.ifft2(rebuilt) * np.sqrt(image.size)) ** 2
    return smooth(saliency[:height, :width], sigma)
