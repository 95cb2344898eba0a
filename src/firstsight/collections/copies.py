"""Which images of a collection show one thing: exact copies, and photographs of it in another light.

Images are compared by the phases of their Fourier transforms (Kuglin and Hines, "The phase correlation image alignment
method", 1975), of the low frequencies alone (Ito et al., "A fingerprint matching algorithm using phase-only
correlation", IEICE 2004). Brightness and contrast are in the amplitudes, which are left out; so are shade, which lies
below these frequencies, and most of a repeating pattern, which lies in few of them. Other pieces of a texture are as
alike as chance has it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

SIDE = 64
"""Rows and columns to which an image is reduced."""

LOWEST, HIGHEST = 1.0, 16.0
"""The frequencies that count, in periods along the side of an image."""

SHADE_SIGMA = 6.0
"""What is smoother than this many of the reduced pixels is shade."""

CLIPPED_AT = 2.0
"""Robust deviations to which a pixel counts: a single dark spot at the same place does not make two images alike."""

ALIKE = 0.45
"""Least correlation of phases of two copies. Those of other pairs have a deviation of 0.06 on the development sets."""

LARGEST_SHARE = 0.1
"""Where more of the pairs are that alike, all images have one pattern at the same place, and none are copies."""

COMPARED = 10_000
"""How many images before it an image is compared with, in the order of their names."""

ROWS_AT_A_TIME = 1_000


def _frequencies() -> NDArray[np.bool_]:
    """(64, 33) of `numpy.fft.rfft2`: those that count, none of them twice."""
    rows, columns = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None], np.fft.rfftfreq(SIDE, 1 / SIDE)
    radius = np.hypot(rows, columns)
    return (radius > LOWEST) & (radius <= HIGHEST) & ((columns > 0) | (rows > 0))


FREQUENCIES = _frequencies()
N_PHASES = int(FREQUENCIES.sum())


def phases_of(image: NDArray[np.floating], missing: NDArray[np.bool_] | None = None) -> NDArray[np.float16]:
    """The phases by which an image is compared.

    Args:
        image: (H, W) or (H, W, 3), finite where nothing is missing.
        missing: (H, W), pixels that do not count.

    Returns:
        (`N_PHASES`,) radians; NaN for an image that shows nothing but shade.
    """
    grey = (image.mean(axis=2) if image.ndim == 3 else image).astype(np.float32)
    if missing is not None:
        grey = np.where(missing, np.median(grey[~missing]), grey)
    reduced = np.asarray(Image.fromarray(grey).resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    detail = reduced - gaussian_filter(reduced, SHADE_SIGMA)
    # Rounding leaves a little of an even shade.
    if np.ptp(detail) <= 1e-5 * np.abs(reduced).max():
        return np.full(N_PHASES, np.nan, np.float16)
    deviation = float(np.median(np.abs(detail)) / 0.6745) or float(detail.std())
    window = np.hanning(SIDE + 2)[1:-1]
    clipped = np.clip(detail, -CLIPPED_AT * deviation, CLIPPED_AT * deviation) * np.outer(window, window)
    return np.angle(np.fft.rfft2(clipped)[FREQUENCIES]).astype(np.float16)


def find_copies(images: Sequence[str], sha256: Sequence[str | None], phases: NDArray[np.floating]) -> dict[str, str]:
    """Which images are copies of others, and of which.

    Images with the same bytes are copies. So are those whose phases correlate (the mean cosine of their differences) by
    `ALIKE` or more, which needs frames that differ by no more than a hundredth or two of a side, and copies of copies.
    An image is compared with the 10,000 before it by name, so time grows no faster than the number of images, and
    memory is bounded by the phases of these.

    Args:
        images: N names, all different.
        sha256: N digests, None where a file cannot be read.
        phases: (N, `N_PHASES`), radians; NaN for images that are not compared.

    Returns:
        For each copy the first, by name, of those that it is a copy of; not for that one itself.
    """
    order = np.argsort(np.array(images, dtype=np.str_), kind="stable")
    first_of: dict[str, int] = {}
    # The places, in order, of the first image with the same bytes.
    exact = np.array(
        [
            place if digest is None else first_of.setdefault(digest, place)
            for place, digest in enumerate(sha256[index] for index in order)
        ],
        dtype=np.int64,
    )
    places = np.arange(len(order))
    compared = np.flatnonzero((exact == places) & np.isfinite(phases[order]).all(axis=1))
    left, right = _alike(phases[order[compared]])
    pairs = np.concatenate([[places, exact], [compared[left], compared[right]]], axis=1)
    groups = connected_components(coo_array((np.ones(pairs.shape[1]), tuple(pairs)), shape=(len(order),) * 2))[1]
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    names = [images[index] for index in order]
    return {names[place]: names[first[group[place]]] for place in places if first[group[place]] != place}


def _alike(phases: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pairs of images that are alike, by place; none where too many are."""
    found, pairs = [], 0
    for start in range(0, len(phases), ROWS_AT_A_TIME):
        earliest = max(0, start - COMPARED)
        vectors = _vectors(phases[earliest : start + ROWS_AT_A_TIME])
        rows = np.arange(start, earliest + len(vectors))
        behind = rows[:, None] - np.arange(earliest, earliest + len(vectors))
        before = (behind > 0) & (behind <= COMPARED)
        alike = np.argwhere((vectors[start - earliest :] @ vectors.T >= ALIKE) & before)
        found.append(alike + np.array([start, earliest]))
        pairs += int(before.sum())
    left, right = np.concatenate(found or [np.empty((0, 2), np.int64)]).T
    # A pair of images that is alone says nothing of what is usual.
    return (left, right) if len(left) <= max(1, LARGEST_SHARE * pairs) else (left[:0], right[:0])


def _vectors(phases: NDArray[np.floating]) -> NDArray[np.float32]:
    """(n, 2 * `N_PHASES`) of length 1, whose products are mean cosines of differences."""
    angles = phases.astype(np.float32)
    vectors: NDArray[np.float32] = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    return vectors / np.float32(np.sqrt(N_PHASES))
