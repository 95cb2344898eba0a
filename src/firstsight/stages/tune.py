"""Stage tune: an extractor is fine-tuned to normal images before its features are computed."""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from firstsight.errors import FirstsightError
from firstsight.features.digests import file_sha256
from firstsight.features.input_size import input_size
from firstsight.features.registry import find_extractor
from firstsight.features.sbm import tune_extractor
from firstsight.features.sbm_settings import SbmSettings
from firstsight.stages.devices import choose_device
from firstsight.stages.job import Job
from firstsight.stages.scale import given_window, read_scale
from firstsight.storage.checkpoints import write_checkpoint
from firstsight.storage.tables import read_table

MOST_IMAGES = 1000
"""At most so many normal images are used, evenly spread: with its defaults SBM looks at fewer crops than that."""


def tune_to_images(
    *,
    manifests: Sequence[Path],
    scale: Path,
    output: Path,
    checkpoints: Path,
    settings: Mapping[str, Any],
    tuning: Mapping[str, Any],
    threads: int,
    job: Job,
) -> None:
    """Tune the extractor of a collection by SBM.

    Args:
        manifests: rows of the table `images` of all shards of normal images.
        scale: the collection's scale, which `firstsight.stages.scale.find_scale` wrote.
        output: file of weights to make, which `extract_features` takes.
        checkpoints: folder from which a killed job resumes; removed in the end.
        settings: the fields of `firstsight.plan.settings.FeatureSettings`.
        tuning: the fields of `firstsight.features.sbm_settings.SbmSettings`.
        threads: CPU threads to use.

    Raises:
        FirstsightError: no image can be used, or the weights to begin with are not available.
    """
    torch.set_num_threads(threads)
    job.device = choose_device(settings["device"], job)
    paths = []
    for row in (row for path in sorted(manifests) for row in read_table(path).to_dict("records")):
        if row["status"] == "ok":
            paths.append(Path(row["path"]))
        else:
            job.note(f"{row['image']}: {row['status']}")
    if not paths:
        raise FirstsightError("none of the images to tune the extractor with can be used: see the log of this job")
    chosen = paths[:: -(-len(paths) // MOST_IMAGES)]
    least_side = find_extractor(settings["extractor"], settings["weights"]).least_side
    found, given = read_scale(scale), given_window(settings)
    with job.step("tune"):
        weights = tune_extractor(
            chosen,
            extractor=settings["extractor"],
            weights=settings["weights"],
            image_size=lambda height, width: input_size(
                height, width, settings["image_size"], least_side=least_side, scale=found, given=given
            ),
            settings=SbmSettings(**tuning),
            device=job.device,
            folder=checkpoints,
            note=job.note,
            progress=partial(job.progress, unit="epochs"),
        )
    job.n_images = len(chosen)
    write_checkpoint(output, weights)
    job.weights_sha256 = file_sha256(output)
    shutil.rmtree(checkpoints, ignore_errors=True)
