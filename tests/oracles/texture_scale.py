"""The measures of a texture's scale, written out one wave and one window at a time."""

import numpy as np
import numpy.typing as npt


def shortest_waves(grey: npt.NDArray[np.float64]) -> float:
    """All waves of the full Fourier transform, shortest last, until nine tenths of their power are seen."""
    height, width = grey.shape
    rows, columns = np.mgrid[:height, :width]
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / (size - 1)) for size in (height, width)]
    weighted = (grey - grey.mean()) * hann[0][:, None] * hann[1]
    waves = []
    for y in range(height):
        for x in range(width):
            # The frequency of row or column k counts from the nearer end: k and size - k are the same wave.
            frequency = np.hypot(min(y, height - y) / height, min(x, width - x) / width)
            if 4 / min(height, width) < frequency < 0.5:
                turns = 2j * np.pi * (y * rows / height + x * columns / width)
                waves.append((frequency, abs((weighted * np.exp(-turns)).sum()) ** 2))
    waves.sort()
    total, seen = sum(power for _, power in waves), 0.0
    for frequency, power in waves:
        seen += power
        if seen >= 0.9 * total:
            return float(1 / frequency)
    raise AssertionError("all power is seen in the end")


def unevenness(grey: npt.NDArray[np.float64], window: int) -> float:
    """Contrast of one window after the other; median, and 1.4826 times the median of the distances from it."""
    contrasts = []
    for top in range(0, grey.shape[0] - window, max(1, window // 4)):
        for left in range(0, grey.shape[1] - window, max(1, window // 4)):
            total = 0.0
            for y in range(top + 1, top + window + 1):
                for x in range(left + 1, left + window + 1):
                    total += (grey[y, x] - grey[y - 1, x]) ** 2 + (grey[y, x] - grey[y, x - 1]) ** 2
            contrasts.append((total / window**2) ** 0.5)
    median = np.median(contrasts)
    return float(1.4826 * np.median([abs(contrast - median) for contrast in contrasts]) / median)
