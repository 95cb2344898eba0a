"""Stage costs: how long the detectors of a collection take for an image, and the network before them."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from firstsight.collections.images import read_row
from firstsight.detectors.layers import finest_layer
from firstsight.detectors.registry import DETECTORS
from firstsight.errors import FirstsightError
from firstsight.features import load_extractor
from firstsight.features.filling import fill_missing
from firstsight.plan.costs import TimedDetector
from firstsight.stages.detect import Content, ShardFeatures, compute_map
from firstsight.stages.devices import choose_device
from firstsight.stages.features import resize_image
from firstsight.stages.fit import read_model
from firstsight.stages.job import Job
from firstsight.storage.json import write_json
from firstsight.storage.tables import read_table

PATIENCE = 20.0
"""A first run that takes longer, in seconds, is not repeated: what warms up does not count beside it."""


def measure_costs(
    *,
    manifest: Path,
    detectors: Sequence[TimedDetector],
    settings: Mapping[str, Any],
    output: Path,
    threads: int,
    job: Job,
) -> None:
    """Time each detector, and the network up to the layers that it reads, on every usable image of a shard.

    Features and what was learned are read before. Nothing else that the job does counts.

    Args:
        manifest: the shard's rows of the table `images`.
        detectors: what is timed.
        settings: the fields of `firstsight.plan.settings.FeatureSettings`.
        output: JSON to make: ``device``, and in ``detectors`` by name the ``seconds`` that an image takes in the
            detector and in the ``network``, each the median over images (`seconds_of`).
        threads: CPU threads to use.

    Raises:
        FirstsightError: no image can be used; the extractor cannot be loaded; a file is damaged.
    """
    torch.set_num_threads(threads)
    device = choose_device(settings["device"], job)
    job.device = device
    rows: list[dict[Any, Any]] = read_table(manifest).to_dict("records")
    by_image = {row["image"]: row for row in rows}
    networks: dict[tuple[str, ...], float] = {}
    costs = {}
    for timed in job.progress(detectors, len(detectors), unit="detectors"):
        shard = ShardFeatures(timed.features, timed.layers)
        entries = [entry for entry in shard.entries() if entry.status == "ok"]
        if not entries:
            raise FirstsightError("none of the images that are timed could be used")
        contents = [shard.read(entry) for entry in entries]
        job.n_images = len(contents)
        with job.step("extract"):
            if timed.layers not in networks:
                pairs = zip(entries, contents, strict=True)
                images = [_as_input(by_image[entry.image], content) for entry, content in pairs]
                networks[timed.layers] = _network_seconds(images, settings, timed.layers, device)
        with job.step("detect"):
            seconds = _detector_seconds(contents, [entry.image for entry in entries], timed, device)
        costs[timed.name] = {"seconds": seconds, "network": networks[timed.layers]}
    write_json(output, {"device": device, "detectors": costs})


def seconds_of(run: Callable[[int], object], count: int) -> float:
    """The median time, in seconds, of ``run(0)`` to ``run(count - 1)``, after a first ``run(0)`` that warms up.

    Without a GPU it is that of the process, on all its threads together. A first run that takes longer than `PATIENCE`
    counts alone.
    """
    first = _timed(run, 0)
    return first if first > PATIENCE else statistics.median(_timed(run, index) for index in range(count))


def _timed(run: Callable[[int], object], index: int) -> float:
    # On a CPU the time of the process: other jobs may run beside this one.
    on_gpu = torch.cuda.is_available()
    clock = time.perf_counter if on_gpu else time.process_time
    start = clock()
    run(index)
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - start


def _as_input(row: Mapping[Any, Any], content: Content) -> torch.Tensor:
    place = content.places[finest_layer(content.places)]
    whole = fill_missing(torch.from_numpy(read_row(row)).permute(2, 0, 1))
    return resize_image(whole[None], (place.input_height, place.input_width))


def _network_seconds(
    images: Sequence[torch.Tensor], settings: Mapping[str, Any], layers: tuple[str, ...], device: str
) -> float:
    extractor = load_extractor(
        settings["extractor"], weights=settings["weights"], layers=layers, border=settings["border"], device=device
    )
    return seconds_of(lambda index: extractor(images[index]), len(images))


def _detector_seconds(contents: Sequence[Content], names: Sequence[str], timed: TimedDetector, device: str) -> float:
    detector = DETECTORS[timed.method]
    chosen = detector.settings(**timed.settings)
    learned = read_model(timed.model)[0] if timed.model else None

    def detect(index: int) -> torch.Tensor:
        more = () if learned is None else (learned, names[index])
        return compute_map(detector, contents[index], chosen, *more, device=device)

    return seconds_of(detect, len(contents))
