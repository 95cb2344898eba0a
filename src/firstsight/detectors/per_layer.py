"""Detectors that look at one layer at a time: the patch statistics and Aota's method, on several layers."""

from collections.abc import Callable, Mapping

from torch import Tensor

from firstsight.detectors.aota import aota
from firstsight.detectors.borders import level_borders
from firstsight.detectors.layers import automatic_patch_size, fuse_maps, scale_channels
from firstsight.detectors.patch_statistics import fca, histogram, moments, sample_weighted_wasserstein
from firstsight.settings_model import SettingsModel
from firstsight.storage.geometry import Geometry


def per_layer(
    function: Callable[..., Tensor], prepare: Callable[[Tensor], Tensor] = scale_channels
) -> Callable[..., Tensor]:
    """Make a function of one layer (C, H, W) read several: it prepares each layer, levels the borders of its map
    (`level_borders`) and fuses the maps (`fuse_maps`).

    A ``patch_size`` of None in the settings becomes the `automatic_patch_size` of each layer.
    """

    def detect(features: Mapping[str, Tensor], places: Mapping[str, Geometry], settings: SettingsModel) -> Tensor:
        arguments = settings.model_dump(exclude={"layers"})
        levelled = arguments.pop("level_borders")
        maps = {}
        for layer, values in features.items():
            patch_size = arguments["patch_size"] or automatic_patch_size(places[layer])
            layer_map = function(prepare(values), **(arguments | {"patch_size": patch_size}))
            maps[layer] = level_borders(layer_map, patch_size + 1) if levelled else layer_map
        return fuse_maps(maps, places)

    return detect


detect_fca = per_layer(fca)
detect_sample_weighted_wasserstein = per_layer(sample_weighted_wasserstein)
detect_histogram = per_layer(histogram)
detect_moments = per_layer(moments)
detect_aota = per_layer(aota, prepare=Tensor.float)
