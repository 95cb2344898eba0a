"""Stage fit: what a detector learns from a whole collection before it looks at any image."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from firstsight.detectors.registry import DETECTORS
from firstsight.features.digests import file_sha256
from firstsight.stages.devices import choose_device, first_that_fits
from firstsight.stages.job import Job
from firstsight.storage.checkpoints import read_checkpoint, write_checkpoint
from firstsight.storage.json import write_json
from firstsight.storage.store import ShardReader


def fit_detector(
    *,
    features: Sequence[Path],
    output: Path,
    summary: Path,
    checkpoints: Path,
    method: str,
    settings: Mapping[str, Any],
    layers: Sequence[str],
    device: str,
    threads: int,
    job: Job,
) -> None:
    """Fit a detector to a collection.

    Args:
        features: the stores of features of all shards to learn from.
        output: file to make, which `read_model` reads.
        summary: JSON to make: ``says``, one line on what was learned.
        checkpoints: folder from which a killed job resumes; removed in the end.
        method: name in `DETECTORS` of a detector that learns.
        settings: all fields of the method's settings.
        layers: the feature layers that it reads.
        device: auto, cpu or cuda.
        threads: CPU threads to use.
    """
    torch.set_num_threads(threads)
    detector = DETECTORS[method]
    refused = _note_refused(features, job) if detector.normal else 0
    fit = partial(
        detector.fit,
        features,
        layers,
        detector.settings(**settings),
        note=job.note,
        # The images that are read, or the epochs of training.
        progress=partial(job.progress, unit="steps"),
    )
    job.device = choose_device(device, job)

    def fit_on_cpu() -> Mapping[str, Any]:
        # Training that began on a GPU resumes there only.
        shutil.rmtree(checkpoints, ignore_errors=True)
        job.device = "cpu"
        return fit(folder=checkpoints, device="cpu")

    fit_there = partial(fit, folder=checkpoints, device=job.device)
    attempts: list[tuple[str, Callable[[], Mapping[str, Any]]]] = [
        (f"on {job.device}", fit_there),
        ("on cpu", fit_on_cpu),
    ]
    with job.step("fit"):
        model = first_that_fits(attempts, job.note)
    job.n_images = model["n_images"]
    says = f"{model['says']}; {refused} more could not be used" if refused else model["says"]
    write_checkpoint(output, {**model, "says": says})
    write_json(summary, {"says": says})
    shutil.rmtree(checkpoints, ignore_errors=True)


def read_model(path: Path) -> tuple[Mapping[str, Any], str]:
    """What `fit_detector` wrote, and the sha256 of the file.

    Raises:
        DamagedError: the file is damaged.
    """
    return read_checkpoint(path), file_sha256(path)


def _note_refused(shards: Sequence[Path], job: Job) -> int:
    """Note in the log which images have no features and why, and count them."""
    refused = 0
    for reader in map(ShardReader, shards):
        keys = reader.keys()
        for key in keys:
            attributes = reader.attributes(key)
            if attributes["status"] != "ok":
                job.note(f"{attributes['image']}: {attributes['status']}")
                refused += 1
    return refused
