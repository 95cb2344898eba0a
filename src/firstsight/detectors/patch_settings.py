"""Settings of the patch statistics, as a config may give them.

Each has the arguments of the function of its name in `patch_statistics.py` (and `aota.py`); ``layers`` are the
feature layers that are read, None for the extractor's own choice; ``patch_size`` None is `automatic_patch_size`.
"""

from dataclasses import dataclass
from typing import Literal

from firstsight.errors import FirstsightError

Reference = Literal["median", "random", "knn", "all"]
Border = Literal["renormalise", "paper"]


def _check_patch_size(patch_size: int | None) -> None:
    if patch_size is not None and (patch_size < 1 or patch_size % 2 == 0):
        raise FirstsightError(f"patch_size is {patch_size}, but must be odd and positive")


@dataclass(frozen=True)
class FcaSettings:
    """Feature correspondence analysis."""

    layers: tuple[str, ...] | None = None
    patch_size: int | None = None
    sigma_p: float = 3.0
    sigma_s: float | None = 1.0
    reference: Reference = "median"
    reference_count: int = 10
    seed: int = 0
    border: Border = "renormalise"

    def __post_init__(self) -> None:
        _check_patch_size(self.patch_size)


@dataclass(frozen=True)
class SampleWeightedWassersteinSettings:
    """Sample-weighted Wasserstein distance."""

    layers: tuple[str, ...] | None = None
    patch_size: int | None = None
    sigma_w: float = 6.0
    reference: Reference = "median"
    reference_count: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        _check_patch_size(self.patch_size)


@dataclass(frozen=True)
class HistogramSettings:
    """Histograms of windows."""

    layers: tuple[str, ...] | None = None
    patch_size: int | None = None
    sigma: float = 6.0
    bins: int = 10

    def __post_init__(self) -> None:
        _check_patch_size(self.patch_size)


@dataclass(frozen=True)
class MomentsSettings:
    """Moments of windows."""

    layers: tuple[str, ...] | None = None
    patch_size: int | None = None
    sigma: float = 6.0
    powers: int = 4

    def __post_init__(self) -> None:
        _check_patch_size(self.patch_size)


@dataclass(frozen=True)
class AotaSettings:
    """Local means and their nearest neighbours, at the resolution of the features."""

    layers: tuple[str, ...] | None = None
    patch_size: int = 3
    sigma: float = 100.0
    neighbours: int = 400

    def __post_init__(self) -> None:
        _check_patch_size(self.patch_size)
