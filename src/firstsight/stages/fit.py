"""Stage fit: what a detector learns from a whole collection before it looks at any image."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from firstsight.detectors.registry import DETECTORS
from firstsight.errors import FirstsightError
from firstsight.features.store import ShardReader
from firstsight.features.weights import file_sha256
from firstsight.stages.features import choose_device
from firstsight.stages.job import Job, write_json


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
        checkpoints: folder from which a killed job goes on; it is removed in the end.
        method: name in `DETECTORS` of a detector that learns.
        settings: all fields of the method's settings.
        layers: the feature layers it reads.
        device: auto, cpu or cuda.
        threads: CPU threads to use.
        job: where time and counts are noted.
    """
    torch.set_num_threads(threads)
    detector = DETECTORS[method]
    assert detector.fit is not None
    job.device = choose_device(device)
    shards = sorted(features, key=lambda path: path.name)
    refused = _note_refused(shards, job) if detector.normal else 0
    with job.step("fit"):
        model = detector.fit(
            shards,
            layers,
            detector.settings(**settings),
            folder=checkpoints,
            device=job.device,
            note=job.note,
            progress=job.progress,
        )
    job.n_images = model["n_images"]
    says = f"{model['says']}; {refused} more could not be used" if refused else model["says"]
    output.parent.mkdir(parents=True, exist_ok=True)
    beside = output.with_name(f"{output.name}.partial")
    torch.save({**model, "says": says}, beside)
    os.replace(beside, output)
    write_json(summary, {"says": says})
    shutil.rmtree(checkpoints, ignore_errors=True)


def read_model(path: Path) -> tuple[Mapping[str, Any], str]:
    """What `fit_detector` wrote, and the sha256 of the file.

    Raises:
        FirstsightError: the file is damaged.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True), file_sha256(path)
    # A damaged file fails in many ways: in zip, in pickle, in the types it names.
    except Exception as error:
        raise FirstsightError(f"{str(path)!r} is damaged: delete it and run again") from error


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
