"""What a run will do, known before any job starts: shards, layers, fingerprints."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from firstsight.collections.demo import DemoSettings, list_demo
from firstsight.collections.readers import ImageFile, list_images
from firstsight.collections.references import part_references
from firstsight.collections.shards import plan_shards
from firstsight.config import CollectionSettings, DetectorChoice, Settings, suggestion
from firstsight.detectors.registry import find_detector
from firstsight.detectors.settings import parse_settings
from firstsight.errors import FirstsightError
from firstsight.features.registry import EXTRACTORS
from firstsight.features.sbm_settings import SbmSettings
from firstsight.features.weights import weights_fingerprint
from firstsight.fingerprints import settings_fingerprint
from firstsight.studies import STUDIES

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
class CollectionPlan:
    """One collection: its images by id, its shards (id to image ids), and what is computed from them.

    The shards of its reference images are apart (``reference_shards``): they are learned from and never searched.
    ``features`` holds the layers of each folder of features, ``tuned`` the settings of SBM for those whose extractor is
    tuned to the normal images first; ``detectors`` are those of the config, ``studies`` those
    of each study, by name.
    """

    settings: CollectionSettings
    files: dict[str, ImageFile]
    shards: dict[str, tuple[str, ...]]
    reference_shards: dict[str, tuple[str, ...]]
    features: dict[str, tuple[str, ...]]
    tuned: dict[str, dict[str, Any]]
    detectors: dict[str, DetectorPlan]
    studies: dict[str, dict[str, DetectorPlan]]

    @property
    def features_folder(self) -> str:
        """The features that the detectors of the config read."""
        return next(iter(self.detectors.values())).features

    @property
    def is_new(self) -> bool:
        """Whether its images are held against another collection: then nothing is learned from them."""
        return self.settings.assign_to is not None

    @property
    def known(self) -> str:
        """Name of the collection whose models, threshold and clusters hold here: its own, or the known one's."""
        return self.settings.assign_to or self.settings.name

    @property
    def weights(self) -> str:
        """The weights of the extractor: a file or a name, ``none`` where it has none."""
        features = self.settings.features
        return features.weights or next(iter(EXTRACTORS[features.extractor].weights), "none")

    def shard_files(self, shard: str) -> list[dict[str, str | None]]:
        """The shard's images as plain rows: image, path, problem, and a stamp that changes with the file."""
        return [
            {"image": file.image, "path": str(file.path), "problem": file.problem, "stamp": self._stamp(file.path)}
            for file in self._members(shard)
        ]

    def shard_truth(self, shard: str) -> list[dict[str, str | None]]:
        """What is known of the shard's images: image, label, mask, and a stamp that changes with the mask."""
        return [
            {"image": file.image, "label": file.label, "mask": str(file.mask), "stamp": self._stamp(file.mask)}
            if file.mask is not None and file.problem is None
            else {"image": file.image, "label": file.label, "mask": None, "stamp": None}
            for file in self._members(shard)
        ]

    def learned_shards(self, detector: DetectorPlan) -> dict[str, tuple[str, ...]]:
        """The shards that a detector learns from."""
        return self.normal_shards if detector.normal else self.shards

    @property
    def normal_shards(self) -> dict[str, tuple[str, ...]]:
        """The shards of normal images, or of what counts as such."""
        return self.shards if self.settings.contaminated else self.reference_shards

    def _members(self, shard: str) -> list[ImageFile]:
        return [self.files[image] for image in (self.shards | self.reference_shards)[shard]]

    def _stamp(self, path: Path) -> str | None:
        # What is made by the run itself has no stamp yet when the run is planned.
        if self.settings.layout == "demo":
            return None
        try:
            found = os.stat(path)
        except OSError:
            return None
        return f"{found.st_size}-{found.st_mtime_ns}"

    def detector_in(self, folder: str) -> DetectorPlan:
        """The detector whose results lie in ``folder`` (its name and fingerprint)."""
        every = [self.detectors, *self.studies.values()]
        return next(detector for group in every for detector in group.values() if detector.folder == folder)


@dataclass(frozen=True)
class Plan:
    """A whole run: where its results go, the file of clusters' names, and its collections by name."""

    results: Path
    names: Path | None
    collections: dict[str, CollectionPlan]


def plan_run(settings: Settings) -> Plan:
    """List every collection's images, cut them into shards and name what is computed from them.

    Finished shards keep their members, as ``shards/<shard>/members.json`` records them, so that a collection may grow.

    Raises:
        FirstsightError: a missing path, an empty collection, an unknown extractor, layer, detector or setting, or
            weights that are not there; one line that begins with ``config:`` and names the key.
    """
    collections = {}
    for name, collection in settings.collections.items():
        try:
            collections[name] = _plan_collection(collection, settings.results)
        except FirstsightError as error:
            raise FirstsightError(f"config: collections.{name}: {error}") from None
    return Plan(results=settings.results, names=settings.names, collections=collections)


def demo_settings(collection: CollectionSettings) -> DemoSettings:
    """Settings of the demo collection that this entry of the config asks for."""
    return DemoSettings(texture=str(collection.texture))


def demo_folder(results: Path, collection: str) -> Path:
    """Where the images of a demo collection are made."""
    return results / collection / "images"


def _plan_collection(collection: CollectionSettings, results: Path) -> CollectionPlan:
    if collection.layout == "demo":
        files = list_demo(demo_folder(results, collection.name), demo_settings(collection))
    else:
        assert collection.path is not None
        files = list_images(collection.path, collection.layout)
    searched, references = _part_references(collection, files)
    finished = _finished_shards(results / collection.name / "shards")
    detectors = _plan_detectors(collection, collection.detectors)
    may_learn = bool(references) or collection.contaminated
    _require_normal_images(collection, detectors.detectors, may_learn)
    studies = {
        study: _plan_detectors(collection, _possible(choices, collection.features.extractor, may_learn))
        for study, choices in STUDIES.items()
    }
    every = (detectors, *studies.values())
    return CollectionPlan(
        settings=collection,
        files={file.image: file for file in (*searched, *references)},
        shards=_cut(searched, collection, finished),
        reference_shards=_cut(references, collection, finished),
        features={folder: layers for each in every for folder, layers in each.features.items()},
        tuned={folder: tuning for each in every for folder, tuning in each.tuned.items()},
        detectors=detectors.detectors,
        studies={study: planned.detectors for study, planned in studies.items()},
    )


def _cut(
    files: Sequence[ImageFile], collection: CollectionSettings, finished: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    return plan_shards(sorted(file.image for file in files), collection.images_per_job, finished)


def _part_references(
    collection: CollectionSettings, files: tuple[ImageFile, ...]
) -> tuple[tuple[ImageFile, ...], tuple[ImageFile, ...]]:
    """What is searched, and normal images: what learns from itself or from another collection has none of its own."""
    if collection.contaminated or collection.assign_to is not None:
        return files, ()
    return part_references(files, reference=collection.reference, path=collection.path, layout=collection.layout)


def _require_normal_images(
    collection: CollectionSettings, detectors: Mapping[str, DetectorPlan], may_learn: bool
) -> None:
    # New images are searched with what the known collection's detectors learned.
    if may_learn or collection.assign_to is not None:
        return
    for name, detector in detectors.items():
        if detector.normal:
            raise FirstsightError(
                f"detectors.{name}: {detector.method} learns from normal images: add collections.{collection.name}."
                "reference (a folder of them), or contaminated: true to learn from the collection itself"
            )


def _possible(choices: Mapping[str, DetectorChoice], extractor: str, may_learn: bool) -> dict[str, DetectorChoice]:
    """Those of a study that a collection allows: with normal images, and with weights that can be tuned."""
    has_weights = extractor in EXTRACTORS and EXTRACTORS[extractor].needs_weights
    return {
        name: choice
        for name, choice in choices.items()
        if (may_learn or not find_detector(choice.method, name).normal)
        and (has_weights or not choice.settings.get("sbm", False))
    }


class _Planned(NamedTuple):
    """Detectors by name; the layers of each folder of features that they read; and how the tuned ones are tuned."""

    detectors: dict[str, DetectorPlan]
    features: dict[str, tuple[str, ...]]
    tuned: dict[str, dict[str, Any]]


def _plan_detectors(collection: CollectionSettings, choices: Mapping[str, DetectorChoice]) -> _Planned:
    """Detectors that read features of the extractor as it is share these; so do those that read the tuned one's."""
    extractor = collection.features.extractor
    chosen = _choose_layers(extractor, choices)
    planned = _Planned({}, {}, {})
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
            planned.detectors[name] = _plan_detector(name, each, folder, collection.contaminated)
    # In the order of the config.
    return _Planned({name: planned.detectors[name] for name in chosen}, planned.features, planned.tuned)


def _choose_layers(
    extractor: str, choices: Mapping[str, DetectorChoice]
) -> dict[str, tuple[str, Any, tuple[str, ...]]]:
    """Method, settings and layers of each detector."""
    if extractor not in EXTRACTORS:
        raise FirstsightError(
            f"features.extractor: unknown extractor {extractor!r}; {suggestion(extractor, EXTRACTORS)}"
        )
    spec = EXTRACTORS[extractor]
    chosen = {}
    for name, choice in choices.items():
        detector = find_detector(choice.method, f"detectors.{name}")
        settings: Any = parse_settings(detector.settings, choice.settings, f"detectors.{name}")
        if getattr(settings, "sbm", False) and not spec.needs_weights:
            raise FirstsightError(f"detectors.{name}.sbm: {extractor} has no weights that could be tuned")
        own = spec.own_layers(context=detector.context, normal=detector.normal)
        layers = getattr(settings, "layers", None) or own
        for layer in layers:
            if layer not in spec.layers:
                raise FirstsightError(
                    f"detectors.{name}.layers: {extractor} has no layer {layer!r}; {suggestion(layer, spec.layers)}"
                )
        chosen[name] = (choice.method, settings, tuple(layers))
    return chosen


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


def _plan_detector(name: str, chosen: tuple[str, Any, Any], features: str, contaminated: bool) -> DetectorPlan:
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
    if detector.weights_of:
        try:
            covered["weights"] = weights_fingerprint(detector.weights_of, values["weights"])
        except FirstsightError as error:
            raise FirstsightError(f"detectors.{name}.weights: {error}") from None
    return DetectorPlan(
        name=name,
        method=method,
        settings=values,
        layers=layers,
        features=features,
        reads_image=detector.reads_image,
        learns=detector.fit is not None,
        normal=detector.normal,
        fingerprint=settings_fingerprint(covered),
    )


def _finished_shards(folder: Path) -> dict[str, tuple[str, ...]]:
    finished = {}
    for path in sorted(folder.glob("*/members.json")):
        try:
            finished[path.parent.name] = tuple(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise FirstsightError(f"{path} is damaged ({error}): remove that folder and run again") from None
    return finished
