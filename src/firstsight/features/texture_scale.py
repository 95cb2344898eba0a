"""The scale of a texture: how fine it is, and how large a window must be to hold what it holds. No labels are used.

Both are found from the images themselves, without a network, so that they are known before features are computed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Size = tuple[int, int]

FINE_SHARE = 0.1
"""The texture is as fine as the wavelength below which this share of an image's power lies."""
LONGEST_WAVES = 4
"""Waves of which fewer than so many fit into the shorter side are shading, not texture."""
SPECTRUM_SIDE = 1024
"""The spectrum is that of the middle of a larger image."""

RESOLVED = 8.0
"""Large images are reduced until the finest waves of their texture have so many pixels, which is the stride of the
middle layer: at half of it PRO on a fabric falls from .90 to .81 (docs/methods.md)."""

WINDOW = 40.0
"""Side of the smallest window, in pixels of the input: 7, 5 and 3 cells at strides 4, 8 and 16."""
WIDENING = 2**0.5
LARGEST_SHARE = 80 / 384
"""Windows grow to this share of the input's shorter side at most."""
LARGEST_WINDOW = 200.0
"""And to so many pixels: 25 cells at stride 8."""
HELD = 0.7
"""Windows of this share of a window's side are compared."""
EVEN = 0.18
"""Windows hold what the texture holds where their contrasts deviate from each other by no more than this share."""
COARSE_SHARE = 0.5
"""For a coarse texture this share of the extractor's least side is enough: what varies over many cells looks like an
anomaly once it is enlarged (docs/scale.md)."""


@dataclass(frozen=True)
class Scale:
    """The scale of a collection's texture.

    Attributes:
        fineness: the texture's shortest waves, in pixels of the image, or of an image with ``side``; None: unknown.
        side: the shorter side for which ``fineness`` holds, where waves are longer in larger images; None where they
            have equally many pixels in all.
        window: side of the windows in which the texture is judged, pixels of the input.
        coarse: whether no window smaller than the largest holds what the texture holds.
    """

    fineness: float | None = None
    side: int | None = None
    window: float = WINDOW
    coarse: bool = False

    def factor(self, height: int, width: int, least_side: int) -> float:
        """How many times an image is to be enlarged (above 1) or reduced, never to less than ``least_side``.

        For a coarse texture, `COARSE_SHARE` of the least side is enough.
        """
        side = min(height, width)
        least = least_side * (COARSE_SHARE if self.coarse else 1.0)
        if side <= least:
            return least / side
        if self.fineness is None:
            return 1.0
        fineness = self.fineness * (side / self.side if self.side else 1.0)
        return min(1.0, max(least / side, RESOLVED / fineness))


def shortest_waves(grey: NDArray[np.float32]) -> float | None:
    """The wavelength below which a tenth of an image's power lies, in pixels.

    Doubling an image doubles it. A regular texture has its period here, a noisy image a few pixels.

    Args:
        grey: (H, W), finite.

    Returns:
        None where the image is constant, or too small for any wave.
    """
    values = middle(grey, SPECTRUM_SIDE).astype(np.float64)
    height, width = values.shape
    windows = np.hanning(height)[:, None] * np.hanning(width)
    power = np.abs(np.fft.rfft2((values - values.mean()) * windows)) ** 2
    # rfft2 leaves out the half of the spectrum that repeats the other: all columns but the first, and the last of an
    # even width, stand for two.
    power[:, 1 : (width + 1) // 2] *= 2
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)).ravel()
    kept = (frequency > LONGEST_WAVES / min(height, width)) & (frequency < 0.5)
    frequency, power = frequency[kept], power.ravel()[kept]
    order = frequency.argsort(kind="stable")
    cumulative = power[order].cumsum()
    if not len(order) or cumulative[-1] <= np.finfo(np.float32).eps ** 2 * grey.size:
        return None
    place = np.searchsorted(cumulative, (1 - FINE_SHARE) * cumulative[-1])
    return float(1 / frequency[order][min(place, len(order) - 1)])


def unevenness(grey: NDArray[np.float32], window: int) -> float | None:
    """How much the contrast of windows deviates from window to window: robust deviation over median.

    The contrast of a window is the root of its mean squared gradient.

    Args:
        grey: (H, W), finite.
        window: side of the windows, pixels; they overlap by three quarters.

    Returns:
        None where fewer than two windows fit along a side, or most of the image is constant.
    """
    if 2 * window >= min(grey.shape):
        return None
    values = grey.astype(np.float64)
    energy = np.diff(values, axis=0)[:, 1:] ** 2 + np.diff(values, axis=1)[1:] ** 2
    sums = np.pad(energy, ((1, 0), (1, 0))).cumsum(0).cumsum(1)
    inside = sums[window:, window:] - sums[:-window, window:] - sums[window:, :-window] + sums[:-window, :-window]
    step = max(1, window // 4)
    contrast = np.sqrt(inside[::step, ::step].clip(min=0) / window**2)
    median = np.median(contrast)
    return float(1.4826 * np.median(abs(contrast - median)) / median) if median > 0 else None


def window_candidates(side: int) -> list[float]:
    """Sides of windows among which one is chosen, in pixels of an input with this shorter side, ascending."""
    largest = min(max(WINDOW, LARGEST_SHARE * side), LARGEST_WINDOW)
    steps = (float(round(WINDOW * WIDENING**step)) for step in range(12))
    return [window for window in steps if window <= largest]


def choose_window(deviations: Sequence[Sequence[float | None]], candidates: Sequence[float]) -> tuple[float, bool]:
    """The smallest window that holds what the texture holds, or the largest where none does; and whether it is coarse.

    Args:
        deviations: for each image the `unevenness` of windows of `HELD` of each candidate's side.
        candidates: sides of windows, ascending.
    """
    for number, window in enumerate(candidates):
        known = [value for image in deviations if (value := image[number]) is not None]
        if not known:
            return candidates[max(0, number - 1)], number > 0
        if np.median(known) <= EVEN:
            return window, 0 < number == len(candidates) - 1
    return candidates[-1], True


def choose_fineness(waves: Sequence[float | None], sides: Sequence[int]) -> tuple[float | None, int | None]:
    """``fineness`` and ``side`` of a `Scale`: the median of the images' waves, and what it refers to.

    Where sides differ by half or more, waves may be as long in all images (larger ones show more of the texture) or
    grow with the side (larger ones show it in more pixels). What varies less is taken. The fineness is rounded to a
    quarter of an octave, so that a few more images do not change it.

    Args:
        waves: `shortest_waves` of each image.
        sides: shorter side of each image, pixels.
    """
    known = np.array([(wave, side) for wave, side in zip(waves, sides, strict=True) if wave], dtype=np.float64)
    if not len(known):
        return None, None
    logarithms, sides_of_known = np.log2(known[:, 0]), known[:, 1]
    median_side = float(np.median(sides_of_known))
    relative = logarithms - np.log2(sides_of_known / median_side)
    grows = sides_of_known.max() >= 1.5 * sides_of_known.min() and _spread(relative) < _spread(logarithms)
    octaves = np.median(relative if grows else logarithms)
    return float(2 ** (np.round(4 * octaves) / 4)), round(median_side) if grows else None


def resize_grey(grey: NDArray[np.float32], size: Size) -> NDArray[np.float32]:
    """Resize (H, W) to (h, w), bilinearly with antialiasing."""
    if grey.shape == tuple(size):
        return grey
    picture = Image.fromarray(grey.astype(np.float32), mode="F")
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling.BILINEAR), dtype=np.float32)


def _spread(values: NDArray[np.float64]) -> float:
    return float(np.median(abs(values - np.median(values))))


def middle(values: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The middle of an image (H, W) or (H, W, C), at most ``side`` pixels high and wide."""
    top, left = (max(0, (size - side) // 2) for size in values.shape[:2])
    return values[top : top + side, left : left + side]
