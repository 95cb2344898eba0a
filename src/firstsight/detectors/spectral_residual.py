"""Spectral residual: what the amplitude spectrum of an image holds beyond its smooth trend stands out in the image."""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from firstsight.detectors.image_input import (
    read_grey,
    resize,
)
from firstsight.detectors.windows import smooth
from firstsight.settings_model import Count, OddSize, Positive, SettingsModel
from firstsight.storage.geometry import Geometry

# Amplitudes below this share of the largest one are rounding errors: their phases mean nothing.
NOTHING = 1e-9


class SpectralResidualSettings(SettingsModel):
    """Settings of `spectral_residual`, which explains them."""

    image_size: Count | None = 64
    """Pixels of the shorter side to which a larger image is reduced; null: the image's own."""
    average_size: OddSize = 3
    """Side of the window over which the log spectrum is averaged, odd."""
    sigma: Positive = 2.5
    """Deviation of the blur, pixels of the reduced image."""
    border: Literal["reflect", "paper"] = "reflect"
    """reflect: the image is mirrored, so that its opposite borders meet; paper: it is transformed alone."""


def detect(
    features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: SpectralResidualSettings
) -> Tensor:
    """Spectral residual saliency of an image, at its own size.

    The image is reduced until its shorter side has ``image_size`` pixels, for which the method is defined; the
    saliency is laid back bilinearly.

    Args:
        features: {"image": (3, H, W) RGB in [0, 1], NaN where a pixel is missing}.
        places: not needed, since the map lies on the image.
        settings: image_size, and the arguments of `spectral_residual`.

    Returns:
        (H, W) float32, not negative.
    """
    grey = read_grey(features, settings.image_size)
    height, width = features["image"].shape[1:]
    saliency = spectral_residual(grey, average_size=settings.average_size, sigma=settings.sigma, border=settings.border)
    return resize(saliency, (height, width))


def spectral_residual(
    grey: Tensor, *, average_size: int = 3, sigma: float = 2.5, border: Literal["reflect", "paper"] = "reflect"
) -> Tensor:
    """The image rebuilt from its phases and the residual of its log amplitudes, squared and smoothed.

    With the Fourier transform A exp(iP) of the image: R = log A - mean of log A over average_size x average_size
    frequencies, saliency = Gaussian * |inverse transform of exp(R + iP)|^2.

    Source: X. Hou and L. Zhang, Saliency detection: a spectral residual approach, CVPR 2007. Choices:

    - The Gaussian is that of the authors' program (2.5 pixels); the paper's 8 would smear a map of 64 pixels.
    - The mean of the log amplitudes wraps round, since a spectrum is periodic (the authors repeat its last values).
    - Frequencies without amplitude (there are some in any mirrored image) stay empty and count in no mean.
    - The authors scale every map to [0, 1], after which scores of two images could not be compared. Here nothing is
      scaled, the transform keeps the mean square of an image, whatever its size, and the frequency 0 is left empty: the
      residual of the brightness, a constant that differs much between images, would outweigh what is seen in them.

    Args:
        grey: (h, w), finite.
        average_size: frequencies along each side of the mean of the log amplitudes, odd.
        sigma: deviation of the Gaussian, pixels.
        border: ``reflect`` transforms the image together with its mirror images, so that its opposite sides do not
            meet; ``paper`` transforms the image alone, as if it repeated: its frame stands out where they differ.

    Returns:
        (h, w) float32, not negative.
    """
    height, width = grey.shape
    image = grey.double()
    if border == "reflect":
        image = torch.cat([image, image.flip(0)])
        image = torch.cat([image, image.flip(1)], dim=1)
    spectrum = torch.fft.fft2(image, norm="ortho")
    amplitude = spectrum.abs()
    least = NOTHING * amplitude.max().clamp(min=torch.finfo(torch.float64).tiny)
    held = amplitude > least
    held[0, 0] = False
    log_amplitude = torch.where(held, amplitude, 1).log()
    mean = _periodic_mean(log_amplitude, average_size) / _periodic_mean(held.double(), average_size).clamp(min=NOTHING)
    # exp(R + iP) without an angle: the spectrum with its amplitudes replaced.
    rebuilt = torch.where(held, spectrum / torch.where(held, amplitude, 1) * (log_amplitude - mean).exp(), 0)
    saliency = torch.fft.ifft2(rebuilt, norm="ortho").abs().square()[:height, :width]
    return smooth(saliency.float(), sigma, reach=math.ceil(4 * sigma))


def _periodic_mean(values: Tensor, size: int) -> Tensor:
    shifts = range(-(size // 2), size // 2 + 1)
    rows = torch.stack([values.roll(shift, dims=0) for shift in shifts]).mean(0)
    return torch.stack([rows.roll(shift, dims=1) for shift in shifts]).mean(0)
