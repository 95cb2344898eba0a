"""The detectors that a config may name."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from torch import Tensor

from firstsight.blind.localization import BlindSettings, detect_blind, fit_blind
from firstsight.config import suggestion
from firstsight.detectors import glcm, pg_lsr, rpca, spectral_residual
from firstsight.detectors.aota import aota
from firstsight.detectors.cfa import CfaSettings, detect_cfa, fit_cfa
from firstsight.detectors.geometry import Geometry
from firstsight.detectors.grnr import GrnrSettings, grnr
from firstsight.detectors.layers import automatic_patch_size, fuse_maps, scale_channels
from firstsight.detectors.padim import PadimSettings, detect_padim, fit_padim
from firstsight.detectors.patch_settings import (
    AotaSettings,
    FcaSettings,
    HistogramSettings,
    MomentsSettings,
    SampleWeightedWassersteinSettings,
)
from firstsight.detectors.patch_statistics import fca, histogram, moments, sample_weighted_wasserstein
from firstsight.detectors.patchcore import PatchcoreSettings, detect_patchcore, fit_patchcore
from firstsight.detectors.ssdnet import SsdnetSettings, ssdnet
from firstsight.errors import FirstsightError

Detect = Callable[..., Tensor]
Fit = Callable[..., Mapping[str, Any]]

IMAGE = "image"
"""The name under which a detector that reads the image itself finds it."""


@dataclass(frozen=True)
class Detector:
    """A method as the workflow sees it.

    Attributes:
        settings: frozen dataclass of its settings, all with defaults; the field ``layers`` (names, or None for the
            extractor's own choice) says which feature layers it reads. Without that field it reads the image.
        detect: features of one image, {layer: (C, h, w)}, how each layer lies on the image, and settings, to one
            anomaly map (h, w) on the grid of the finest layer. The features of a detector that reads the image are
            {"image": (3, H, W)}, RGB in [0, 1], NaN where a pixel is missing. After ``fit``: also what that learned,
            and the image's id.
        version: raised when the same settings begin to give other maps.
        fit: for a detector that learns from its collection before it looks at any image: stores of features, layers,
            settings, a folder for checkpoints, device, a note-taker and a progress bar, to tensors, numbers and text,
            among them ``n_images`` and a line ``says``; see `fit_blind`.
        context: whether its own choice of layers are the extractor's ``context_layers``.
        normal: whether ``fit`` is to be given normal images (the collection's own only where the config says so); its
            own choice of layers are then the extractor's ``normal_layers``, unless ``context`` says otherwise.
        weights_of: the extractor whose weights its setting ``weights`` names, for one with a network of its own, if its
            settings say that it ``needs_weights``.
    """

    settings: type
    detect: Detect
    version: int = 1
    fit: Fit | None = None
    context: bool = False
    normal: bool = False
    weights_of: str | None = None

    @property
    def reads_image(self) -> bool:
        """Whether it reads the image itself, not features."""
        return "layers" not in {field.name for field in fields(self.settings)}


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
    "grnr": Detector(GrnrSettings, grnr, context=True),
    "blind": Detector(BlindSettings, detect_blind, fit=fit_blind, context=True),
    "padim": Detector(PadimSettings, detect_padim, fit=fit_padim, normal=True),
    "patchcore": Detector(PatchcoreSettings, detect_patchcore, fit=fit_patchcore, normal=True, context=True),
    "cfa": Detector(CfaSettings, detect_cfa, fit=fit_cfa, normal=True),
    "spectral_residual": Detector(spectral_residual.SpectralResidualSettings, spectral_residual.detect),
    "glcm": Detector(glcm.GlcmSettings, glcm.detect),
    "rpca": Detector(rpca.RpcaSettings, rpca.detect),
    "ssdnet": Detector(SsdnetSettings, ssdnet, weights_of="vgg19"),
    "pg_lsr": Detector(pg_lsr.PgLsrSettings, pg_lsr.detect),
}


def find_detector(method: str, key: str) -> Detector:
    """The detector of that name; a `FirstsightError` naming ``key``, its place in the config, where there is none."""
    if method not in DETECTORS:
        raise FirstsightError(f"{key}: unknown detector {method!r}; {suggestion(method, DETECTORS)}")
    return DETECTORS[method]
