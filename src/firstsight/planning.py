"""What a run will do, known before any job starts: shards, layers, fingerprints."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from firstsight.collections.demo import DemoSettings, list_demo
from firstsight.collections.readers import ImageFile, list_images, with_missing
from firstsight.collections.shards import plan_shards
from firstsight.collections.stacks import real_file
from firstsight.config import CollectionSettings, DetectorChoice, FeatureSettings, Settings, suggestion
from firstsight.detectors.registry import find_detector
from firstsight.detectors.settings import parse_settings
from firstsight.errors import FirstsightError
from firstsight.features.registry import EXTRACTORS
from firstsight.features.state_dicts import why_unavailable
from firstsight.features.weights import weights_fingerprint
from firstsight.fingerprints import settings_fingerprint
from firstsight.studies import study_choices

MADE_BY_THE_RUN = ("demo", "degraded")
"""Layouts of collections whose images are made by a job."""


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
class DetectorGroup:
    """Detectors that read the same features: those of the config, or those that a study compares.

    detectors: by name.
    features: the layers of each folder of features.
    set_aside: for each detector that cannot run on this machine, one line that says why.
    """

    detectors: dict[str, DetectorPlan]
    features: dict[str, tuple[str, ...]]
    set_aside: dict[str, str]


@dataclass(frozen=True)
class CollectionPlan:
    """One collection: its images by id, its shards (id to image ids), and what is computed from them."""

    settings: CollectionSettings
    files: dict[str, ImageFile]
    shards: dict[str, tuple[str, ...]]
    own: DetectorGroup

    @cached_property
    def studies(self) -> dict[str, DetectorGroup]:
        """The detectors of each study; planned when a study is asked for."""
        return {
            study: _plan_detectors(self.settings, choices)
            for study, choices in study_choices(self.settings.detectors).items()
        }

    @property
    def detectors(self) -> dict[str, DetectorPlan]:
        """The detectors of the config that can run, by name."""
        return self.own.detectors

    @property
    def features_folder(self) -> str:
        """The features that the detectors of the config read."""
        return next(iter(self.detectors.values())).features

    def layers_of(self, features: str) -> tuple[str, ...]:
        """The layers in a folder of features."""
        if features in self.own.features:
            return self.own.features[features]
        return next(group.features[features] for group in self.studies.values() if features in group.features)

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
        """The shard's images as plain rows: image, path, missing, problem, and stamps that change with the files."""
        return [
            {
                "image": file.image,
                "path": str(file.path),
                "missing": str(file.missing) if file.missing else None,
                "problem": file.problem,
                "stamp": self._stamp(file.path),
                "missing_stamp": self._stamp(file.missing) if file.missing else None,
            }
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
        if self.settings.layout in MADE_BY_THE_RUN:
            return None
        try:
            found = os.stat(real_file(path))
        except OSError:
            return None
        return f"{found.st_size}-{found.st_mtime_ns}"

    def detector_in(self, folder: str) -> DetectorPlan:
        """The detector whose results lie in ``folder`` (its name and fingerprint)."""
        for detector in self.detectors.values():
            if detector.folder == folder:
                return detector
        every = (detector for group in self.studies.values() for detector in group.detectors.values())
        return next(detector for detector in every if detector.folder == folder)


@dataclass(frozen=True)
class Plan:
    """A whole run: where its results go, the file of clusters' names, what is exported, its collections by name."""

    results: Path
    names: Path | None
    exports: tuple[str, ...]
    collections: dict[str, CollectionPlan]

    @property
    def set_aside(self) -> list[str]:
        """One line for each detector of the config that cannot run on this machine."""
        return [
            f"collections.{name}.{why}"
            for name, each in self.collections.items()
            for why in each.own.set_aside.values()
        ]


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
    return Plan(settings.results, settings.names, settings.exports, collections)


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
        if collection.missing:
            files = with_missing(files, collection.missing)
    by_image = {file.image: file for file in files}
    finished = _finished_shards(results / collection.name / "shards")
    own = _plan_detectors(collection, collection.detectors)
    if not own.detectors:
        raise FirstsightError(next(iter(own.set_aside.values())))
    return CollectionPlan(
        settings=collection,
        files=by_image,
        shards=plan_shards(sorted(by_image), collection.images_per_job, finished),
        own=own,
    )


def _plan_detectors(collection: CollectionSettings, choices: Mapping[str, DetectorChoice]) -> DetectorGroup:
    chosen = {name: _parse_choice(name, choice) for name, choice in choices.items()}
    problems = {name: _why_not(name, *choice) for name, choice in chosen.items()}
    set_aside = {name: problem for name, problem in problems.items() if problem}
    usable = {name: choice for name, choice in chosen.items() if name not in set_aside}
    layers, layers_read = _choose_layers(collection.features.extractor, usable)
    fingerprint = _features_fingerprint(collection.features, layers)
    features = f"{collection.features.extractor}-{fingerprint}"
    return DetectorGroup(
        detectors={
            name: _plan_detector(name, method, settings, layers_read[name], features)
            for name, (method, settings) in usable.items()
        },
        features={features: layers},
        set_aside=set_aside,
    )


def _parse_choice(name: str, choice: DetectorChoice) -> tuple[str, Any]:
    """The method, and all of its settings."""
    detector = find_detector(choice.method, f"detectors.{name}")
    return choice.method, parse_settings(detector.settings, choice.settings, f"detectors.{name}")


def _why_not(name: str, method: str, settings: Any) -> str | None:
    """Why a detector cannot run on this machine: weights of its own that are not to be had."""
    detector = find_detector(method, name)
    if detector.weights_of is None or not settings.needs_weights:
        return None
    try:
        problem = why_unavailable(detector.weights_of, settings.weights)
    except FirstsightError as error:
        raise FirstsightError(f"detectors.{name}.weights: {error}") from None
    return f"detectors.{name}.weights: {problem}" if problem else None


def _choose_layers(
    extractor: str, chosen: Mapping[str, tuple[str, Any]]
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """The layers that the detectors read together, and those of each."""
    if extractor not in EXTRACTORS:
        raise FirstsightError(
            f"features.extractor: unknown extractor {extractor!r}; {suggestion(extractor, EXTRACTORS)}"
        )
    spec = EXTRACTORS[extractor]
    read: dict[str, tuple[str, ...]] = {}
    for name, (method, settings) in chosen.items():
        own = (spec.context_layers if find_detector(method, name).context else ()) or spec.default_layers
        read[name] = tuple(getattr(settings, "layers", None) or own)
        for layer in read[name]:
            if layer not in spec.layers:
                raise FirstsightError(
                    f"detectors.{name}.layers: {extractor} has no layer {layer!r}; {suggestion(layer, spec.layers)}"
                )
    together = {layer for layers in read.values() for layer in layers}
    return tuple(layer for layer in spec.layers if layer in together), read


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


def _plan_detector(name: str, method: str, settings: Any, layers: tuple[str, ...], features: str) -> DetectorPlan:
    values = asdict(settings)
    detector = find_detector(method, name)
    covered: dict[str, object] = {
        "features": features.rpartition("-")[2],
        "method": method,
        "version": detector.version,
        "settings": values,
        "layers": layers,
    }
    if detector.weights_of and settings.needs_weights:
        covered["weights"] = weights_fingerprint(detector.weights_of, values["weights"])
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
