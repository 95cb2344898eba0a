"""Images made worse on purpose: noise, and pixels that are missing.

After section 5 of "A single image is all you need: zero-shot anomaly localization without training data" (Moradi et
al., 2025).
"""

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import FirstsightError


def add_noise(image: NDArray[np.float32], deviation: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Add Gaussian noise of the same size to every pixel and channel, and clip to [0, 1] as a camera would.

    Args:
        image: (H, W, 3) in [0, 1]; NaN stays.
        deviation: of the noise, 0 or more.
        generator: of random numbers.
    """
    _check(deviation, "deviation")
    noise = generator.standard_normal(image.shape, dtype=np.float32) * np.float32(deviation)
    noisy: NDArray[np.float32] = np.clip(image + noise, 0, 1)
    return noisy


def remove_pixels(image: NDArray[np.float32], share: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Set a share of the pixels (rounded to whole pixels), chosen at random, to NaN.

    Args:
        image: (H, W, 3).
        share: in [0, 1].
        generator: of random numbers.
    """
    _check(share, "share")
    pixels = image.shape[0] * image.shape[1]
    chosen = generator.choice(pixels, round(share * pixels), replace=False)
    holes = image.copy()
    holes.reshape(pixels, -1)[chosen] = np.nan
    return holes


DEGRADATIONS = {"noise": add_noise, "missing": remove_pixels}
"""Ways to make an image worse, each with a level in [0, 1]."""


def _check(level: float, name: str) -> None:
    if not 0 <= level <= 1:
        raise FirstsightError(f"{name} is {level}, but must be from 0 to 1")
