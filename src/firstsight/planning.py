"""What a run will do, known before any job starts: shards, layers, fingerprints."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from firstsight.collections.demo import DemoSettings, list_demo
from firstsight.collections.readers import ImageFile, list_images
from firstsight.collections.shards import plan_shards
from firstsight.config import CollectionSettings, DetectorChoice, FeatureSettings, Settings, suggestion
from firstsight.detectors.registry import find_detector
from firstsight.detectors.settings import parse_settings
from firstsight.errors import FirstsightError
from firstsight.features.registry import EXTRACTORS
from firstsight.features.weights import weights_fingerprint
from firstsight.fingerprints import settings_fingerprint
from firstsight.studies import STUDIES


@dataclass(frozen=True)
class DetectorPlan:
    """One detector on one collection. ``folder`` carries all that its maps depend on.

    ``layers`` are those it reads, of the features in the folder ``features``; of a detector that reads the image, those
    by which its anomalies are described.
    """

    name: str
    method: str
    settings: dict[str, Any]
    layers: tuple[str, ...]
    features: str
    reads_image: bool
    learns: bool
    fingerprint: str

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.fingerprint}"


@dataclass(frozen=True)
class CollectionPlan:
    """One collection: its images by id, its shards (id to image ids), and what is computed from them.

    ``features`` holds the layers of each folder of features; ``detectors`` are those of the config, ``studies`` those
    of each study, by name.
    """

    settings: CollectionSettings
    files: dict[str, ImageFile]
    shards: dict[str, tuple[str, ...]]
    features: dict[str, tuple[str, ...]]
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

    def _members(self, shard: str) -> list[ImageFile]:
        return [self.files[image] for image in self.shards[shard]]

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
    """A whole run: where its results go, the file of clusters' names, how GPUs are asked for, its collections."""

    results: Path
    names: Path | None
    gpu_request: str | None
    collections: dict[str, CollectionPlan]


def plan_run(settings: Settings) -> Plan:
    """List every collection's images, cut them into shards and name what is computed from them.

    Finished shards keep their members, as ``shards/<shard>/members.json`` records them, so that a collection may grow.

    Raises:
        FirstsightError: a missing path, an empty collection, an unknown extractor, layer, detector or setting, or
            weights that are not there, results that cannot be written; one line that begins with ``config:`` and names
            the key.
    """
    _require_writable(settings.results)
    collections = {}
    for name, collection in settings.collections.items():
        try:
            collections[name] = _plan_collection(collection, settings.results)
        except FirstsightError as error:
            raise FirstsightError(f"config: collections.{name}: {error}") from None
    return Plan(
        results=settings.results, names=settings.names, gpu_request=settings.gpu_request, collections=collections
    )


def demo_settings(collection: CollectionSettings) -> DemoSettings:
    """Settings of the demo collection that this entry of the config asks for."""
    return DemoSettings(texture=str(collection.texture))


def demo_folder(results: Path, collection: str) -> Path:
    """Where the images of a demo collection are made."""
    return results / collection / "images"


def _require_writable(results: Path) -> None:
    place = results.absolute()
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise FirstsightError(f"config: results: {place} is not a folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise FirstsightError(f"config: results: {place} cannot be written to")


def _plan_collection(collection: CollectionSettings, results: Path) -> CollectionPlan:
    if collection.layout == "demo":
        files = list_demo(demo_folder(results, collection.name), demo_settings(collection))
    else:
        assert collection.path is not None
        files = list_images(collection.path, collection.layout)
    by_image = {file.image: file for file in files}
    finished = _finished_shards(results / collection.name / "shards")
    detectors = _plan_detectors(collection, collection.detectors)
    studies = {study: _plan_detectors(collection, choices) for study, choices in STUDIES.items()}
    return CollectionPlan(
        settings=collection,
        files=by_image,
        shards=plan_shards(sorted(by_image), collection.images_per_job, finished),
        features={folder: layers for group in (detectors, *studies.values()) for folder, layers in group[1].items()},
        detectors=detectors[0],
        studies={study: planned for study, (planned, _) in studies.items()},
    )


def _plan_detectors(
    collection: CollectionSettings, choices: Mapping[str, DetectorChoice]
) -> tuple[dict[str, DetectorPlan], dict[str, tuple[str, ...]]]:
    """The plan of each detector, and the layers of the features that they read together, by folder."""
    layers, detector_settings = _choose_layers(collection.features.extractor, choices)
    fingerprint = _features_fingerprint(collection.features, layers)
    features = f"{collection.features.extractor}-{fingerprint}"
    planned = {name: _plan_detector(name, chosen, features) for name, chosen in detector_settings.items()}
    return planned, {features: layers}


def _choose_layers(extractor: str, choices: Mapping[str, DetectorChoice]) -> tuple[tuple[str, ...], dict[str, Any]]:
    if extractor not in EXTRACTORS:
        raise FirstsightError(
            f"features.extractor: unknown extractor {extractor!r}; {suggestion(extractor, EXTRACTORS)}"
        )
    spec = EXTRACTORS[extractor]
    chosen = {}
    read: set[str] = set()
    for name, choice in choices.items():
        detector = find_detector(choice.method, f"detectors.{name}")
        settings: Any = parse_settings(detector.settings, choice.settings, f"detectors.{name}")
        own = (spec.context_layers if detector.context else ()) or spec.default_layers
        layers = getattr(settings, "layers", None) or own
        for layer in layers:
            if layer not in spec.layers:
                raise FirstsightError(
                    f"detectors.{name}.layers: {extractor} has no layer {layer!r}; {suggestion(layer, spec.layers)}"
                )
        read.update(layers)
        chosen[name] = (choice.method, settings, tuple(layers))
    return tuple(layer for layer in spec.layers if layer in read), chosen


def _features_fingerprint(features: FeatureSettings, layers: tuple[str, ...]) -> str:
    try:
        weights = weights_fingerprint(features.extractor, features.weights)
    except FirstsightError as error:
        raise FirstsightError(f"features.weights: {error}") from None
    return settings_fingerprint(
        {
            "extractor": features.extractor,
            "version": EXTRACTORS[features.extractor].version,
            "weights": weights,
            "image_size": features.image_size,
            "border": features.border,
            "dtype": features.dtype,
            "layers": layers,
        }
    )


def _plan_detector(name: str, chosen: tuple[str, Any, Any], features: str) -> DetectorPlan:
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
    if detector.weights_of:
        try:
            covered["weights"] = weights_fingerprint(detector.weights_of, values["weights"])
        except FirstsightError as error:
            raise FirstsightError(f"detectors.{name}.weights: {error}") from None
    learns = detector.fit is not None
    return DetectorPlan(
        name, method, values, layers, features, detector.reads_image, learns, settings_fingerprint(covered)
    )


def _finished_shards(folder: Path) -> dict[str, tuple[str, ...]]:
    finished = {}
    for path in sorted(folder.glob("*/members.json")):
        try:
            finished[path.parent.name] = tuple(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise FirstsightError(f"{path} is damaged ({error}): remove that folder and run again") from None
    return finished
