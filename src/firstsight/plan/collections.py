"""The plan of one collection: its images, its shards, and what is computed from them."""

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from firstsight.collections.demo import DemoSettings, list_demo
from firstsight.collections.folders import made_by_the_run
from firstsight.collections.ignored import with_ignored
from firstsight.collections.listing import list_collection
from firstsight.collections.pages import with_pages
from firstsight.collections.readers import ImageFile, with_missing
from firstsight.collections.references import part_references
from firstsight.collections.shards import images_per_shard, plan_shards
from firstsight.collections.stacks import guess_stack, real_files
from firstsight.collections.times import last_written
from firstsight.collections.unread import Unread, count_unread
from firstsight.errors import ConfigError, FirstsightError, Mistake
from firstsight.features.registry import EXTRACTORS
from firstsight.features.timm_models import is_timm_name
from firstsight.features.weights import NO_WEIGHTS, OWN_WEIGHTS
from firstsight.plan.detectors import DetectorGroup, DetectorPlan, plan_detectors
from firstsight.plan.finished_shards import finished_shards
from firstsight.plan.paths import CONTRASTIVE, PLAIN, paths_below
from firstsight.plan.settings import CollectionSettings
from firstsight.plan.studies import study_choices

DEGRADED: str = "degraded"
"""Layout of a degraded copy of another collection, which no config can ask for (`firstsight.plan.degraded`)."""

MADE_BY_THE_RUN = ("demo", DEGRADED)
"""Layouts of collections whose images are made by a job."""

SAMPLED_MASKS = 24
"""What the values of a collection's masks mean is found from so many of them."""

SAMPLED_FILES = 64
"""The size of a collection's images is estimated from about so many files."""


@dataclass(frozen=True)
class CollectionPlan:
    """One collection: its images by id, its shards (id to image ids), and what is computed from them.

    Reference images have shards of their own (``reference_shards``): detectors learn from them, and never search them.
    """

    name: str
    settings: CollectionSettings
    files: dict[str, ImageFile]
    shards: dict[str, tuple[str, ...]]
    reference_shards: dict[str, tuple[str, ...]]
    own: DetectorGroup
    remarks: tuple[str, ...] = ()
    """One line for whatever is odd about its files as a whole."""

    @cached_property
    def studies(self) -> dict[str, DetectorGroup]:
        """The detectors of each study; planned when a study is asked for."""
        may_learn = bool(self.reference_shards) or self.settings.contaminated or self.is_new
        return {
            study: plan_detectors(self.name, self.settings, choices, may_learn=may_learn, strict=False)
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
        return self._group_with(features).features[features]

    def tuning_of(self, features: str) -> dict[str, Any] | None:
        """The settings of SBM for a folder of features whose extractor is tuned first, None for any other."""
        return self._group_with(features).tuned.get(features)

    def _group_with(self, features: str) -> DetectorGroup:
        return next(group for group in self._groups() if features in group.features)

    def _groups(self) -> Iterator[DetectorGroup]:
        yield self.own
        yield from self.studies.values()

    @property
    def is_new(self) -> bool:
        """Whether its images are compared with a known collection: then nothing is learned from them."""
        return self.settings.assign_to is not None

    @property
    def known(self) -> str:
        """Name of the collection whose models, threshold and clusters hold here: itself, or the known one."""
        return self.settings.assign_to or self.name

    @property
    def kinds(self) -> str:
        """The folder of the kinds of anomaly that the settings ask for."""
        return CONTRASTIVE if self.settings.clustering.contrastive else PLAIN

    @property
    def degraded(self) -> bool:
        """Whether it is a degraded copy of another collection."""
        return self.settings.layout == DEGRADED

    @property
    def made_by_the_run(self) -> bool:
        """Whether its images are made by a job."""
        return self.settings.layout in MADE_BY_THE_RUN

    @cached_property
    def value_sample(self) -> list[str]:
        """Paths of a sample of its images, from which the range of their values may be found."""
        names = sorted(self.files, key=lambda image: sha256(image.encode("utf-8", "backslashreplace")).digest())
        return [str(self.files[image].path) for image in names[:SAMPLED_FILES] if self.files[image].problem is None]

    @property
    def given_values(self) -> tuple[float, float] | None:
        """The values that are black and white by the config, or because the run made the images so."""
        if self.degraded:
            return 0.0, 1.0
        given = self.settings.value_range
        return None if given == "auto" else given

    @cached_property
    def unread(self) -> tuple[Unread, ...]:
        """The files beside its images that cannot be read; looked for when they are asked for."""
        path = self.settings.path
        return () if path is None or guess_stack(path) is not None else count_unread(path)

    @property
    def weights(self) -> str:
        """The weights of the extractor: a name, or a file that the config gives; ``its own`` for a network of timm with
        the weights that it comes with, ``none`` for an extractor without weights."""
        features = self.settings.features
        if features.weights:
            return features.weights
        if is_timm_name(features.extractor):
            return OWN_WEIGHTS
        return EXTRACTORS[features.extractor].default_weights or NO_WEIGHTS

    def of_shards(self, pattern: str, **wildcards: str | None) -> list[Path]:
        """The pattern for each of its shards, with values for the wildcards besides the collection and the shard."""
        return [Path(pattern.format(collection=self.name, shard=shard, **wildcards)) for shard in self.shards]

    def shard_files(self, shard: str) -> list[dict[str, str | None]]:
        """The shard's images as plain rows: image, path, missing, problem, ignored where there is one, and stamps that
        change with the files."""
        return [
            {
                "image": file.image,
                "path": str(file.path),
                "missing": str(file.missing) if file.missing else None,
                "problem": file.problem,
                "stamp": self._stamp(file.path),
                "missing_stamp": self._stamp(file.missing) if file.missing else None,
                **({"ignored": str(file.ignored), "ignored_stamp": self._stamp(file.ignored)} if file.ignored else {}),
            }
            for file in self._members(shard)
        ]

    def shard_truth(self, shard: str) -> list[dict[str, Any]]:
        """What is known of the shard's images: image, label, normal, masks, remark, stamps of the masks, and the time
        where it is known."""
        rows = []
        for file in self._members(shard):
            masks = file.masks if file.problem is None else ()
            time = self._time(file)
            rows.append(
                {
                    "image": file.image,
                    "label": file.label,
                    "normal": file.normal,
                    "masks": list(map(str, masks)),
                    "remark": file.remark,
                    "stamps": list(map(self._stamp, masks)),
                    **({"time": time.isoformat()} if time else {}),
                }
            )
        return rows

    @cached_property
    def mask_sample(self) -> list[dict[str, str | None]]:
        """Some of its masks, with a stamp each, from which it is found what the values of all of them mean.

        They are drawn by their images' names, so that images that are added seldom change the sample.
        """
        masked = [file for file in self.files.values() if file.masks and file.problem is None]
        masked.sort(key=lambda file: sha256(file.image.encode("utf-8", "backslashreplace")).digest())
        chosen = sorted(str(mask) for file in masked[:SAMPLED_MASKS] for mask in file.masks[:1])
        return [{"mask": mask, "stamp": self._stamp(Path(mask))} for mask in chosen]

    def learned_shards(self, detector: DetectorPlan) -> dict[str, tuple[str, ...]]:
        """The shards that a detector learns from."""
        return self.normal_shards if detector.normal else self.shards

    @property
    def normal_shards(self) -> dict[str, tuple[str, ...]]:
        """The shards of normal images, or of what counts as such."""
        return self.shards if self.settings.contaminated else self.reference_shards

    def _members(self, shard: str) -> list[ImageFile]:
        return [self.files[image] for image in (self.shards | self.reference_shards)[shard]]

    def _time(self, file: ImageFile) -> datetime | None:
        if file.time is None and self.settings.when == "files" and not self.made_by_the_run:
            return last_written(real_files(file.path))
        return file.time

    def _stamp(self, path: Path) -> str | None:
        # Files that the run makes may not be there yet when it is planned.
        if self.made_by_the_run:
            return None
        try:
            files = [os.stat(file) for file in real_files(path)]
        except OSError:
            return None
        # Files of one size and time may swap their names: then inodes do, too, or the times of the last change.
        stamps = [f"{file.st_size}-{file.st_mtime_ns}-{file.st_ino}-{file.st_ctime_ns}" for file in files]
        return stamps[0] if len(stamps) == 1 else sha256(" ".join(stamps).encode()).hexdigest()

    def detector_in(self, folder: str) -> DetectorPlan:
        """The detector whose results lie in ``folder`` (its name and fingerprint)."""
        detectors = (detector for group in self._groups() for detector in group.detectors.values())
        return next(detector for detector in detectors if detector.folder == folder)


def plan_collection(
    name: str, collection: CollectionSettings, results: Path, names: Collection[str] = ()
) -> CollectionPlan:
    """List a collection's images, cut them into shards and name what is computed from them.

    ``names``: of all collections of the run, below whose results no images are looked for.

    Raises:
        ConfigError: see `firstsight.plan.run.plan_run`; keys begin at the collection's own entry.
    """
    if collection.layout == "demo":
        folder = Path(paths_below(results).images.format(collection=name))
        files = list_demo(folder, DemoSettings(texture=str(collection.texture)))
        remarks: tuple[str, ...] = ()
    else:
        assert collection.path is not None
        with _about("path", collection.path):
            listing = list_collection(
                collection.path,
                collection.layout,
                axes=collection.axes,
                normal_label=collection.normal_labels,
                pattern=collection.mask.pattern,
                is_result=made_by_the_run(collection.path, results, names),
            )
        files, remarks = listing.files, listing.remarks
        if collection.missing:
            with _about("missing", collection.missing):
                files = with_missing(files, collection.missing)
    with _about("reference", collection.reference):
        searched, references = _part_references(collection, files)
    if collection.ignore:
        with _about("ignore", collection.ignore):
            marked, about_ignored = with_ignored((*searched, *references), collection.ignore)
        names_of_searched = {file.image for file in searched}
        searched = tuple(file for file in marked if file.image in names_of_searched)
        references = tuple(file for file in marked if file.image not in names_of_searched)
        remarks = (*remarks, *about_ignored)
    # The rows of a sheet are images, one each.
    if collection.path is not None and (collection.path.is_dir() or isinstance(collection.pages, int)):
        searched, references = (with_pages(images, collection.pages) for images in (searched, references))
    finished = finished_shards(results, name)
    may_learn = bool(references) or collection.contaminated or collection.assign_to is not None
    own = plan_detectors(name, collection, collection.detectors, may_learn=may_learn, strict=True)
    if not own.detectors:
        raise ConfigError([Mistake((), next(iter(own.set_aside.values())))])
    return CollectionPlan(
        name=name,
        settings=collection,
        files={file.image: file for file in (*searched, *references)},
        shards=_cut(searched, collection, finished),
        reference_shards=_cut(references, collection, finished),
        own=own,
        remarks=remarks,
    )


@contextmanager
def _about(key: str, path: Path | None) -> Iterator[None]:
    """Turn an error about a path into one about its key, which also says where a relative path was looked for."""
    try:
        yield
    except FirstsightError as error:
        place = f" (looked for at {path.absolute()})" if path and not path.is_absolute() and not path.exists() else ""
        raise ConfigError([Mistake((key,), f"{error}{place}")]) from None


def _cut(
    files: Sequence[ImageFile], collection: CollectionSettings, finished: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    size = collection.images_per_job
    if not isinstance(size, int):
        size = images_per_shard(len(files), _image_bytes([file.path for file in files]))
    return plan_shards(sorted(file.image for file in files), size, finished)


def _image_bytes(paths: Sequence[Path]) -> float:
    """Bytes on disk of one image, on average over a sample; infinite where nothing is known yet."""
    sample = paths[:: len(paths) // SAMPLED_FILES + 1]
    sizes = {}
    for file in {file for path in sample for file in real_files(path)}:
        # Jobs will find files that cannot be read, and set them aside.
        with suppress(OSError):
            sizes[file] = os.stat(file).st_size
    # A stack in one file holds all images, of which the sample has a few.
    holders = len(sample) if len(sizes) >= len(sample) else len(paths)
    return sum(sizes.values()) / holders if sizes else math.inf


def _part_references(
    collection: CollectionSettings, files: tuple[ImageFile, ...]
) -> tuple[tuple[ImageFile, ...], tuple[ImageFile, ...]]:
    """The images to search, and the normal ones; none if the collection learns from itself or from another."""
    if collection.contaminated or collection.assign_to is not None:
        return files, ()
    return part_references(
        files,
        reference=collection.reference,
        path=collection.path,
        layout=collection.layout,
        normal_label=collection.normal_labels,
    )
