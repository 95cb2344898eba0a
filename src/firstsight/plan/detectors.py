"""What is planned for detectors: their settings, the layers that they read, fingerprints, and which cannot run."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from firstsight.detectors.registry import find_detector
from firstsight.errors import ConfigError, FirstsightError, Mistake, WeightsError, suggestion
from firstsight.features.downloads import why_unavailable
from firstsight.features.registry import ExtractorSpec, find_extractor
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.timm_models import is_timm_name
from firstsight.features.weights import weights_fingerprint
from firstsight.plan.fingerprints import settings_fingerprint
from firstsight.plan.loading import detector_settings
from firstsight.plan.settings import CollectionSettings, DetectorEntry

# Raised when SBM begins to give other weights with the same settings.
_TUNING_VERSION = 1
# Raised when other sizes or windows are found for the same images.
_SCALE_VERSION = 2


@dataclass(frozen=True)
class DetectorPlan:
    """One detector on one collection. The fingerprint in ``folder`` covers all that its maps depend on.

    ``layers`` are those that it reads from the folder ``features``; if it reads the image instead, those by which its
    anomalies are described. ``learns``: whether it is fitted before it makes maps; ``normal``: whether to normal images
    only.
    """

    name: str
    method: str
    settings: dict[str, Any]
    layers: tuple[str, ...]
    features: str
    reads_image: bool
    learns: bool
    normal: bool
    fingerprint: str

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.fingerprint}"


@dataclass(frozen=True)
class DetectorGroup:
    """Detectors that are planned together: those of the config, or those that a study compares.

    detectors: by name.
    features: the layers of each folder of features.
    tuned: the settings of SBM for each folder whose extractor is tuned to the normal images first.
    set_aside: one line for each detector that cannot run here, which says why.
    """

    detectors: dict[str, DetectorPlan] = field(default_factory=dict)
    features: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)


Chosen = tuple[str, Any, tuple[str, ...]]
"""Method, settings and layers."""


def plan_detectors(
    owner: str, collection: CollectionSettings, choices: Mapping[str, DetectorEntry], *, may_learn: bool, strict: bool
) -> DetectorGroup:
    """Plan the detectors chosen for a collection; those whose weights are not available are set aside.

    Detectors that read the features of the extractor as it is share one folder; those that read features of the tuned
    extractor share another.

    Args:
        owner: name of the collection.
        collection: its settings.
        choices: the entries of ``detectors``, by name.
        may_learn: whether there are normal images to learn from.
        strict: whether it is a mistake if the collection does not allow a detector (no normal images, no weights that
            could be tuned); otherwise such a detector is set aside too.

    Raises:
        ConfigError: an unknown layer, detector or setting; missing weights of the extractor; with ``strict``, a
            detector that is not allowed.
    """
    extractor = collection.features.extractor
    spec = _find_spec(collection)
    planned = DetectorGroup()
    chosen: dict[str, Chosen] = {}
    mistakes: list[Mistake] = []
    for name, entry in choices.items():
        try:
            chosen[name] = _choose_layers(extractor, spec, name, entry)
            problem = _why_without_weights(name, chosen[name])
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        mistake = _why_not_allowed(owner, name, chosen[name], may_learn) or _why_not_tuned(
            extractor, spec, name, chosen[name]
        )
        if mistake and strict:
            mistakes.append(mistake)
        elif problem := mistake or problem:
            planned.set_aside[name] = problem.says
            del chosen[name]
    if mistakes:
        raise ConfigError(mistakes)
    by_name = {}
    for tuned in (False, True):
        group = {name: choice for name, choice in chosen.items() if getattr(choice[1], "sbm", False) == tuned}
        if not group:
            continue
        read = {layer for _, _, layers in group.values() for layer in layers}
        layers = tuple(layer for layer in spec.layers if layer in read)
        tuning = asdict(SbmSettings(layer=layers[-1])) if tuned else None
        folder = f"{_as_folder(extractor)}-{_features_fingerprint(collection, spec, layers, tuning)}"
        planned.features[folder] = layers
        if tuning is not None:
            planned.tuned[folder] = tuning
        for name, choice in group.items():
            by_name[name] = _plan_detector(name, choice, folder, collection.contaminated)
    planned.detectors.update({name: by_name[name] for name in chosen})
    return planned


def _why_not_allowed(owner: str, name: str, chosen: Chosen, may_learn: bool) -> Mistake | None:
    method, _, _ = chosen
    if find_detector(method).normal and not may_learn:
        text = (
            f"{method} learns from normal images: add collections.{owner}.reference (a folder of them), or "
            "contaminated: true to learn from the collection itself"
        )
        return Mistake(("detectors", name), text)
    return None


def _why_not_tuned(extractor: str, spec: ExtractorSpec, name: str, chosen: Chosen) -> Mistake | None:
    """Why the extractor cannot be tuned for a detector that asks for it."""
    if not getattr(chosen[1], "sbm", False):
        return None
    key = ("detectors", name, "sbm")
    if not spec.needs_weights:
        return Mistake(key, f"{extractor} has no weights that could be tuned")
    if is_timm_name(extractor):
        return Mistake(key, f"{extractor} cannot be tuned, no network of timm can: take resnet18, for example")
    return None


def _why_without_weights(name: str, chosen: Chosen) -> Mistake | None:
    """Why the weights of a detector's own are not available on this machine; None if they are, or if it has none."""
    method, settings, _ = chosen
    detector = find_detector(method)
    if detector.weights_of is None or not settings.needs_weights:
        return None
    key = ("detectors", name, "weights")
    try:
        problem = why_unavailable(detector.weights_of, settings.weights)
    except FirstsightError as error:
        raise ConfigError([Mistake(key, str(error))]) from None
    return Mistake(key, problem) if problem else None


def _choose_layers(extractor: str, spec: ExtractorSpec, name: str, entry: DetectorEntry) -> Chosen:
    settings: Any = detector_settings(name, entry)
    method = entry.method_of(name)
    detector = find_detector(method)
    own = spec.own_layers(context=detector.context, normal=detector.normal)
    layers = tuple(getattr(settings, "layers", None) or own)
    for layer in layers:
        if layer not in spec.layers:
            text = f"{extractor} has no layer {layer!r}; {suggestion(layer, spec.layers)}"
            raise ConfigError([Mistake(("detectors", name, "layers"), text)])
    return method, settings, layers


def _find_spec(collection: CollectionSettings) -> ExtractorSpec:
    features = collection.features
    try:
        return find_extractor(features.extractor, features.weights)
    except WeightsError as error:
        raise ConfigError([Mistake(("features", "weights"), str(error))]) from None
    except FirstsightError as error:
        raise ConfigError([Mistake(("features", "extractor"), str(error))]) from None


def _as_folder(extractor: str) -> str:
    """The extractor's name in the name of a folder: ``timm_vit_small_patch16_224_dino`` for one of timm's."""
    return re.sub("[^a-z0-9]", "_", extractor.lower())


def _features_fingerprint(
    collection: CollectionSettings, spec: ExtractorSpec, layers: tuple[str, ...], tuning: Mapping[str, Any] | None
) -> str:
    features = collection.features
    try:
        weights = weights_fingerprint(features.extractor, features.weights)
    except FirstsightError as error:
        raise ConfigError([Mistake(("features", "weights"), str(error))]) from None
    covered: dict[str, object] = {
        "extractor": features.extractor,
        "version": spec.version,
        "weights": weights,
        "image_size": features.image_size,
        "scale": features.scale,
        "scale_version": _SCALE_VERSION,
        "border": features.border,
        "dtype": features.dtype,
        "layers": layers,
    }
    if tuning is not None:
        covered |= {"tuning": {**tuning, "version": _TUNING_VERSION}, "contaminated": collection.contaminated}
    return settings_fingerprint(covered)


def _plan_detector(name: str, chosen: Chosen, features: str, contaminated: bool) -> DetectorPlan:
    method, settings, layers = chosen
    values = settings.model_dump()
    detector = find_detector(method)
    covered: dict[str, object] = {
        "features": features.rpartition("-")[2],
        "method": method,
        "version": detector.version,
        "settings": values,
        "layers": layers,
    }
    if detector.normal:
        covered["contaminated"] = contaminated
    if detector.weights_of and settings.needs_weights:
        covered["weights"] = weights_fingerprint(detector.weights_of, values["weights"])
    return DetectorPlan(
        name=name,
        method=method,
        settings=values,
        layers=layers,
        features=features,
        reads_image=detector.reads_image,
        learns=detector.learns,
        normal=detector.normal,
        fingerprint=settings_fingerprint(covered),
    )
