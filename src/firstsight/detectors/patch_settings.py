"""Settings of the patch statistics, as a config may give them.

A model has the arguments of the function of the same name in `patch_statistics.py` or `aota.py`. This file does not
import torch, so that a run of the default detector can be planned without it.
"""

from typing import Literal

from firstsight.settings_model import Count, Layers, NotNegative, OddSize, Positive, Seed, SettingsModel

Reference = Literal["median", "random", "knn", "all"]
Border = Literal["renormalise", "paper"]


class PatchSettings(SettingsModel):
    """What all patch statistics have."""

    layers: Layers | None = None
    """Feature layers; null: the extractor's own choice."""
    patch_size: OddSize | None = None
    """Side T of the windows, cells, odd; null: chosen by the stride of each layer."""
    level_borders: bool = True
    """Whether scores along the borders are brought down to the level of the rest, before layers are fused."""


class ReferenceSettings(PatchSettings):
    """Which windows of the image every window is compared with."""

    reference: Reference = "median"
    """median: their median window; random: reference_count windows drawn at random; knn: the reference_count nearest
    ones; all: all windows."""
    reference_count: Count = 10
    """Windows of the references random and knn."""
    seed: Seed = 0
    """Of the random windows."""


class FcaSettings(ReferenceSettings):
    """Feature correspondence analysis."""

    sigma_p: Positive = 3.0
    """Deviation of the Gaussian over the window, cells."""
    sigma_s: NotNegative | None = 1.0
    """Deviation of the Gaussian that smooths matching costs, cells; null or 0: they are not smoothed."""
    border: Border = "renormalise"
    """renormalise: by the Gaussian's true coverage at the border; paper: not."""


class SampleWeightedWassersteinSettings(ReferenceSettings):
    """Sample-weighted Wasserstein distance."""

    sigma_w: Positive = 6.0
    """Deviation of the Gaussian weights over the window, cells."""


class HistogramSettings(PatchSettings):
    """Histograms of windows."""

    sigma: Positive = 6.0
    """Deviation of the Gaussian weights over the window, cells."""
    bins: Count = 10
    """Bins over the range of a channel."""


class MomentsSettings(PatchSettings):
    """Moments of windows."""

    sigma: Positive = 6.0
    """Deviation of the Gaussian weights over the window, cells."""
    powers: Count = 4
    """Moments, from the first on."""


class AotaSettings(SettingsModel):
    """Local means and their nearest neighbours, at the resolution of the features."""

    layers: Layers | None = None
    """Feature layers; null: the extractor's own choice."""
    patch_size: OddSize = 3
    """Side of the windows, cells, odd."""
    sigma: Positive = 100.0
    """Deviation of the Gaussian weights over the window, cells."""
    neighbours: Count = 400
    """Nearest cells of the same image whose distances are averaged."""
    level_borders: bool = True
    """Whether scores along the borders are brought down to the level of the rest, before layers are fused."""
