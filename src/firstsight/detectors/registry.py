"""The detectors that a config may name.

This file does not import torch: the workflow reads it when it plans, and most detectors are not needed then.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

from firstsight.errors import FirstsightError, suggestion
from firstsight.settings_model import SettingsModel

if TYPE_CHECKING:
    from torch import Tensor

    from firstsight.detectors.protocol import Fit

Detect = Callable[..., "Tensor"]

IMAGE = "image"
"""The name under which a detector that reads the image itself finds it."""


@dataclass(frozen=True)
class Detector:
    """A method as the workflow sees it. Its names, ``module:object`` in this package, are imported when asked for.

    Attributes:
        settings_name: name of the model `settings`.
        detect_name: name of the function `detect`.
        fit_name: name of the function `fit`, for a detector that learns from images before it looks at any.
        version: raised when the same settings begin to give other maps.
        context: whether it reads the extractor's ``context_layers`` by default.
        normal: whether ``fit`` needs normal images (the collection's own only where the config says so); by default it
            then reads the extractor's ``normal_layers``, unless ``context`` says otherwise.
        weights_of: the extractor whose weights the setting ``weights`` names, for a detector with a network of its own
            whose settings say that it ``needs_weights``.
    """

    settings_name: str
    detect_name: str
    fit_name: str | None = None
    version: int = 1
    context: bool = False
    normal: bool = False
    weights_of: str | None = None

    @property
    def settings(self) -> type[SettingsModel]:
        """Its settings, a model whose fields all have defaults.

        The field ``layers`` (names, or None for the extractor's own choice) says which feature layers it reads. Without
        that field it reads the image.
        """
        model: type[SettingsModel] = _resolve(self.settings_name)
        return model

    @property
    def detect(self) -> Detect:
        """The function that makes a map.

        It takes the features of one image, {layer: (C, h, w)}, how each layer lies on the image, and the settings, and
        returns one anomaly map (h, w) on the grid of the finest layer. The features of a detector that reads the image
        are {"image": (3, H, W)}, RGB in [0, 1], NaN where a pixel is missing. If there is a `fit`, it also takes what
        that learned and the id of the image, see `firstsight.detectors.protocol.Detect`.
        """
        detect: Detect = _resolve(self.detect_name)
        return detect

    @property
    def fit(self) -> "Fit":
        """The function that learns, for a detector that `learns`."""
        assert self.fit_name is not None, "only detectors that learn have fit"
        fit: Fit = _resolve(self.fit_name)
        return fit

    @property
    def learns(self) -> bool:
        """Whether it learns from images before it looks at any."""
        return self.fit_name is not None

    @property
    def reads_image(self) -> bool:
        """Whether it reads the image itself, not features."""
        return "layers" not in self.settings.model_fields


def _resolve(name: str) -> Any:
    return resolve_name(f"firstsight.{name}")


DETECTORS: dict[str, Detector] = {
    "fca": Detector("detectors.patch_settings:FcaSettings", "detectors.per_layer:detect_fca", version=3),
    "sample_weighted_wasserstein": Detector(
        "detectors.patch_settings:SampleWeightedWassersteinSettings",
        "detectors.per_layer:detect_sample_weighted_wasserstein",
        version=3,
    ),
    "histogram": Detector(
        "detectors.patch_settings:HistogramSettings", "detectors.per_layer:detect_histogram", version=3
    ),
    "moments": Detector("detectors.patch_settings:MomentsSettings", "detectors.per_layer:detect_moments", version=3),
    "aota": Detector("detectors.patch_settings:AotaSettings", "detectors.per_layer:detect_aota", version=3),
    "grnr": Detector("detectors.grnr:GrnrSettings", "detectors.grnr:grnr", version=2, context=True),
    "blind": Detector(
        "detectors.blind.settings:BlindSettings",
        "detectors.blind.localization:detect_blind",
        "detectors.blind.localization:fit_blind",
        version=5,
    ),
    "padim": Detector(
        "detectors.padim:PadimSettings",
        "detectors.padim:detect_padim",
        "detectors.padim:fit_padim",
        version=2,
        normal=True,
    ),
    "patchcore": Detector(
        "detectors.patchcore:PatchcoreSettings",
        "detectors.patchcore:detect_patchcore",
        "detectors.patchcore:fit_patchcore",
        version=2,
        normal=True,
        context=True,
    ),
    "cfa": Detector(
        "detectors.cfa_training:CfaSettings",
        "detectors.cfa:detect_cfa",
        "detectors.cfa:fit_cfa",
        version=2,
        normal=True,
    ),
    "spectral_residual": Detector(
        "detectors.spectral_residual:SpectralResidualSettings", "detectors.spectral_residual:detect"
    ),
    "glcm": Detector("detectors.glcm:GlcmSettings", "detectors.glcm:detect"),
    "rpca": Detector("detectors.rpca:RpcaSettings", "detectors.rpca:detect"),
    "ssdnet": Detector(
        "detectors.ssdnet_settings:SsdnetSettings", "detectors.ssdnet:ssdnet", version=2, weights_of="vgg19"
    ),
    "pg_lsr": Detector("detectors.pg_lsr:PgLsrSettings", "detectors.pg_lsr:detect"),
}


def find_detector(method: str) -> Detector:
    """The detector of that name; FirstsightError if there is none."""
    if method not in DETECTORS:
        raise FirstsightError(f"unknown detector {method!r}; {suggestion(method, DETECTORS)}")
    return DETECTORS[method]
