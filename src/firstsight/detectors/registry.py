"""The detectors that a config may name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from firstsight.config import suggestion
from firstsight.detectors.aota import aota
from firstsight.detectors.geometry import Geometry
from firstsight.detectors.layers import automatic_patch_size, fuse_maps, scale_channels
from firstsight.detectors.patch_settings import (
    AotaSettings,
    FcaSettings,
    HistogramSettings,
    MomentsSettings,
    SampleWeightedWassersteinSettings,
)
from firstsight.detectors.patch_statistics import fca, histogram, moments, sample_weighted_wasserstein
from firstsight.errors import FirstsightError

Detect = Callable[[Mapping[str, Tensor], Mapping[str, Geometry], Any], Tensor]


@dataclass(frozen=True)
class Detector:
    """A method as the workflow sees it.

    Attributes:
        settings: frozen dataclass of its settings, all with defaults; the field ``layers`` (names, or None for the
            extractor's own choice) says which feature layers it reads.
        detect: features of one image, {layer: (C, h, w)}, how each layer lies on the image, and settings, to one
            anomaly map (h, w) on the grid of the finest layer.
        version: raised when the same settings begin to give other maps.
    """

    settings: type
    detect: Detect
    version: int = 1


def per_layer(function: Callable[..., Tensor], prepare: Callable[[Tensor], Tensor] = scale_channels) -> Detect:
    """Let a function of one layer (C, H, W) read several: each layer is prepared, the maps are averaged.

    A ``patch_size`` of None in the settings becomes `automatic_patch_size` of each layer's stride.
    """

    def detect(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: Any) -> Tensor:
        arguments = {name: value for name, value in asdict(settings).items() if name != "layers"}
        maps = {}
        for layer, values in features.items():
            patch_size = arguments["patch_size"] or automatic_patch_size(places[layer].stride)
            maps[layer] = function(prepare(values), **(arguments | {"patch_size": patch_size}))
        return fuse_maps(maps, places)

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
