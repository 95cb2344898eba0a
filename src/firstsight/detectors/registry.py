"""The detectors that a config may name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from firstsight.config import suggestion
from firstsight.detectors.aota import aota
from firstsight.detectors.layers import fuse_maps, scale_channels
from firstsight.detectors.patch_settings import (
    AotaSettings,
    FcaSettings,
    HistogramSettings,
    MomentsSettings,
    SampleWeightedWassersteinSettings,
)
from firstsight.detectors.patch_statistics import fca, histogram, moments, sample_weighted_wasserstein
from firstsight.errors import FirstsightError


@dataclass(frozen=True)
class Detector:
    """A method as the workflow sees it.

    Attributes:
        settings: frozen dataclass of its settings, all with defaults; the field ``layers`` (names, or None for the
            extractor's own choice) says which feature layers it reads.
        detect: features of one image, {layer: (C, h, w)}, and settings to one anomaly map (h, w) on the grid of the
            finest layer.
        version: raised when the same settings begin to give other maps.
    """

    settings: type
    detect: Callable[[Mapping[str, Tensor], Any], Tensor]
    version: int = 1


def per_layer(
    function: Callable[..., Tensor], prepare: Callable[[Tensor], Tensor] = scale_channels
) -> Callable[[Mapping[str, Tensor], Any], Tensor]:
    """Let a function of one layer (C, H, W) read several: each layer is prepared, the maps are averaged."""

    def detect(features: Mapping[str, Tensor], settings: Any) -> Tensor:
        arguments = {name: value for name, value in asdict(settings).items() if name != "layers"}
        return fuse_maps([function(prepare(layer), **arguments) for layer in features.values()])

    return detect


DETECTORS: dict[str, Detector] = {
    "fca": Detector(FcaSettings, per_layer(fca)),
    "sample_weighted_wasserstein": Detector(SampleWeightedWassersteinSettings, per_layer(sample_weighted_wasserstein)),
    "histogram": Detector(HistogramSettings, per_layer(histogram)),
    "moments": Detector(MomentsSettings, per_layer(moments)),
    "aota": Detector(AotaSettings, per_layer(aota, prepare=Tensor.float)),
}


def find_detector(method: str, key: str) -> Detector:
    """The detector of that name; a `FirstsightError` naming ``key``, its place in the config, where there is none."""
    if method not in DETECTORS:
        raise FirstsightError(f"{key}: unknown detector {method!r}; {suggestion(method, DETECTORS)}")
    return DETECTORS[method]
