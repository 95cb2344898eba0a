"""What is planned for detectors: their settings, the layers that they read, fingerprints, and which cannot run."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from firstsight.detectors.registry import find_detector
from firstsight.detectors.settings import parse_settings
from firstsight.errors import FirstsightError, suggestion
from firstsight.features.registry import EXTRACTORS
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.weights import weights_fingerprint
from firstsight.plan.fingerprints import settings_fingerprint
from firstsight.plan.settings import CollectionSettings, DetectorChoice

# Raised when SBM begins to give other weights with the same settings.
_TUNING_VERSION = 1


@dataclass(frozen=True)
class DetectorPlan:
    """One detector on one collection. ``folder`` carries all that its maps depend on.

    ``layers`` are those it reads, of the features in the folder ``features``; of a detector that reads the image, those
    by which its anomalies are described. ``learns`` from images before it looks at any, from ``normal`` ones or from
    whatever there is.
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
    """Detectors that read the same features: those of the config, or those that a study compares.

    detectors: by name.
    features: the layers of each folder of features.
    tuned: the settings of SBM for each folder whose extractor is tuned to the normal images first.
    set_aside: for each detector that cannot run here, one line that says why.
    """

    detectors: dict[str, DetectorPlan] = field(default_factory=dict)
    features: dict[str, tuple[str, ...]] = field(default_factory=dict)
    tuned: dict[str, dict[str, Any]] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)


Chosen = tuple[str, Any, tuple[str, ...]]
"""Method, settings and layers."""


def plan_detectors(
    collection: CollectionSettings, choices: Mapping[str, DetectorChoice], *, may_learn: bool, strict: bool
) -> DetectorGroup:
    """Plan the detectors chosen for a collection; those whose weights are not to be had are set aside.

    Detectors that read features of the extractor as it is share these; so do those that read the tuned one's.

    Args:
        collection: its settings.
        choices: method and settings of each detector.
        may_learn: whether there are normal images to learn from.
        strict: whether a detector that the collection does not allow (no normal images, no weights that could be tuned)
            is a mistake; else it is set aside too.

    Raises:
        FirstsightError: an unknown extractor, layer, detector or setting, weights of the extractor that are not there,
            or where ``strict`` what is not allowed; one line that names the key.
    """
    extractor = collection.features.extractor
    planned = DetectorGroup()
    chosen = {name: _choose_layers(extractor, name, choice) for name, choice in choices.items()}
    for name, (method, settings, _) in list(chosen.items()):
        mistake = _why_not_allowed(collection, name, method, settings, may_learn)
        if mistake and strict:
            raise FirstsightError(mistake)
        problem = mistake or _why_without_weights(name, method, settings)
        if problem:
            planned.set_aside[name] = problem
            del chosen[name]
    found = {}
    for tuned in (False, True):
        group = {name: each for name, each in chosen.items() if getattr(each[1], "sbm", False) == tuned}
        if not group:
            continue
        read = {layer for _, _, layers in group.values() for layer in layers}
        layers = tuple(layer for layer in EXTRACTORS[extractor].layers if layer in read)
        tuning = asdict(SbmSettings(layer=layers[-1])) if tuned else None
        folder = f"{extractor}-{_features_fingerprint(collection, layers, tuning)}"
        planned.features[folder] = layers
        if tuning is not None:
            planned.tuned[folder] = tuning
        for name, each in group.items():
            found[name] = _plan_detector(name, each, folder, collection.contaminated)
    planned.detectors.update({name: found[name] for name in chosen})
    return planned


def _why_not_allowed(
    collection: CollectionSettings, name: str, method: str, settings: Any, may_learn: bool
) -> str | None:
    if find_detector(method, name).normal and not may_learn:
        return (
            f"detectors.{name}: {method} learns from normal images: add collections.{collection.name}."
            "reference (a folder of them), or contaminated: true to learn from the collection itself"
        )
    if getattr(settings, "sbm", False) and not EXTRACTORS[collection.features.extractor].needs_weights:
        return f"detectors.{name}.sbm: {collection.features.extractor} has no weights that could be tuned"
    return None


def _why_without_weights(name: str, method: str, settings: Any) -> str | None:
    """Why weights of a detector's own are not to be had on this machine."""
    detector = find_detector(method, name)
    if detector.weights_of is None or not settings.needs_weights:
        return None
    # Most runs need no weights but their extractor's, and can be planned without torch.
    from firstsight.features.state_dicts import why_unavailable  # noqa: PLC0415

    try:
        problem = why_unavailable(detector.weights_of, settings.weights)
    except FirstsightError as error:
        raise FirstsightError(f"detectors.{name}.weights: {error}") from None
    return f"detectors.{name}.weights: {problem}" if problem else None


def _choose_layers(extractor: str, name: str, choice: DetectorChoice) -> Chosen:
    if extractor not in EXTRACTORS:
        raise FirstsightError(
            f"features.extractor: unknown extractor {extractor!r}; {suggestion(extractor, EXTRACTORS)}"
        )
    spec = EXTRACTORS[extractor]
    detector = find_detector(choice.method, f"detectors.{name}")
    settings: Any = parse_settings(detector.settings, choice.settings, f"detectors.{name}")
    own = spec.own_layers(context=detector.context, normal=detector.normal)
    layers = tuple(getattr(settings, "layers", None) or own)
    for layer in layers:
        if layer not in spec.layers:
            raise FirstsightError(
                f"detectors.{name}.layers: {extractor} has no layer {layer!r}; {suggestion(layer, spec.layers)}"
            )
    return choice.method, settings, layers


def _features_fingerprint(
    collection: CollectionSettings, layers: tuple[str, ...], tuning: Mapping[str, Any] | None
) -> str:
    features = collection.features
    try:
        weights = weights_fingerprint(features.extractor, features.weights)
    except FirstsightError as error:
        raise FirstsightError(f"features.weights: {error}") from None
    covered: dict[str, object] = {
        "extractor": features.extractor,
        "version": EXTRACTORS[features.extractor].version,
        "weights": weights,
        "image_size": features.image_size,
        "border": features.border,
        "dtype": features.dtype,
        "layers": layers,
    }
    if tuning is not None:
        covered |= {"tuning": {**tuning, "version": _TUNING_VERSION}, "contaminated": collection.contaminated}
    return settings_fingerprint(covered)


def _plan_detector(name: str, chosen: Chosen, features: str, contaminated: bool) -> DetectorPlan:
    method, settings, layers = chosen
    values = asdict(settings)
    detector = find_detector(method, name)
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
