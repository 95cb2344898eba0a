"""Images degraded on purpose: with noise, or with missing pixels.

After section 5 of "A single image is all you need: zero-shot anomaly localization without training data" (Moradi et
al., 2025).
"""

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError


def add_noise(image: NDArray[np.float32], deviation: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Add independent Gaussian noise to every pixel and channel, and clip to [0, 1] as a camera would.

    Args:
        image: (H, W, 3) in [0, 1]; NaN stays.
        deviation: standard deviation of the noise, in [0, 1].
        generator: source of the random numbers.
    """
    _check(deviation, "deviation")
    noise = generator.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    noisy: NDArray[np.float32] = np.clip(image + noise, 0, 1)
    return noisy


def remove_pixels(image: NDArray[np.float32], share: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Set a random share of the pixels (rounded to a whole number) to NaN.

    Args:
        image: (H, W, 3).
        share: of the pixels, in [0, 1].
        generator: source of the random numbers.
    """
    _check(share, "share")
    pixels = image.shape[0] * image.shape[1]
    chosen = generator.choice(pixels, round(share * pixels), replace=False)
    holes = image.copy()
    holes.reshape(pixels, -1)[chosen] = np.nan
    return holes


DEGRADATIONS = {"noise": add_noise, "missing": remove_pixels}
"""Ways to degrade an image, each with a level in [0, 1]."""


def _check(level: float, name: str) -> None:
    if not 0 <= level <= 1:
        raise FirstsightError(f"{name} is {level}, but must be from 0 to 1")
