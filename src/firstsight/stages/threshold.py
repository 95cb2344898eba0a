"""Stage threshold: what all maps of a collection share, found without labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from firstsight.clustering.descriptors import score_levels
from firstsight.clustering.false_alarms import pixel_threshold
from firstsight.clustering.judged_limit import JudgedImages
from firstsight.clustering.normal_images import MapStatistics, NormalImages, fit_normal_images
from firstsight.clustering.thresholds import anomaly_threshold, otsu_threshold
from firstsight.errors import FirstsightError
from firstsight.stages.job import Job
from firstsight.stages.judged_threshold import judged_rate, judged_threshold
from firstsight.storage.json import read_json, write_json
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_maps import images_with_maps

SAMPLED_CELLS = 4_000_000
"""The threshold is found from so many cells of a collection at most; every map gives an equal share of them."""


def find_threshold(
    *,
    shards: Sequence[Path],
    output: Path,
    settings: Mapping[str, Any],
    seed: int,
    job: Job,
    judged: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Find what all maps of a collection share, without labels: threshold, colour scale, weighting.

    Writes JSON: ``threshold`` (a cell with a higher score is anomalous; where every image has its own, the middle one),
    ``method``, ``rate``, ``unit`` and ``scores`` (from the settings, but for a rate that verdicts choose), ``normal``
    (`NormalImages`), ``says`` (in words: how the threshold was found, and what lies above it), ``judged_says`` (what
    verdicts did to it, or nothing), ``scale`` (low and high end of the colours: median of the cells and largest score),
    ``levels`` (`score_levels`, for the weights of descriptors), ``n_images`` (how many have a map). Threshold, normal,
    scale and levels are null where no image has a map.

    Args:
        shards: stores of the collection's maps, each read by one task of dask; only a sample of their cells is kept.
        output: the JSON to make.
        settings: the fields of one of the models of `firstsight.plan.settings.ThresholdSettings`.
        seed: of the sample.
        judged: the fields of `JudgedImages`, where they choose the rate or the threshold.
    """
    chosen: dict[str, Any] = {key: settings.get(key) for key in ("method", "rate", "unit", "scores")}
    own_otsu = chosen["scores"] == "image"
    with job.step("sample"):
        mapped = images_with_maps(shards)
        names = [image for key_of_image in mapped for image in key_of_image]
        keys = [list(key_of_image.values()) for key_of_image in mapped]
        ends = list(accumulate(map(len, keys)))
        job.n_images = n_maps = ends[-1] if ends else 0
        limit = SAMPLED_CELLS // max(1, n_maps)
        tasks = [
            delayed(_shard_scores)(path.absolute(), own, limit, seed + end - len(own), own_otsu=own_otsu)
            for path, own, end in zip(shards, keys, ends, strict=True)
        ]
        parts = [part for part in compute(*tasks) if part]  # type: ignore[no-untyped-call]
    with job.step("threshold"):
        if not parts:
            nothing = dict.fromkeys(("threshold", "normal", "scale", "levels"))
            write_json(output, {**nothing, **chosen, "says": "no image has a map", "judged_says": "", "n_images": 0})
            return
        scores = _Scores.joined(parts)
        cells, maxima = scores.cells, scores.maps.tiles.max(axis=1)
        normal = fit_normal_images(scores.maps)
        said = JudgedImages(**{word: tuple(images) for word, images in judged.items()}) if judged else None
        judged_says = ""
        if own_otsu:
            threshold = float(np.median(scores.otsu))
            says = "Otsu's threshold of each image's own scores, which parts every image in two"
            judged_says = "verdicts change no threshold of an image's own scores" if said else ""
        elif chosen["unit"] == "image":
            if said:
                p_values = dict(zip(names, normal.p_values(scores.maps).tolist(), strict=True))
                chosen["rate"], judged_says = judged_rate(said, p_values, settings["rate"])
            threshold, says = _of_images(normal, scores.maps, chosen["rate"])
            threshold = min(threshold, float(maxima.max()))
        else:
            threshold, how = _of_cells(settings, cells, maxima)
            if said:
                without = threshold
                threshold, judged_says = judged_threshold(said, shards, without)
                how = how if threshold == without else "chosen by verdicts"
            share, images = 100 * float((cells > threshold).mean()), int((maxima > threshold).sum())
            says = f"{how}; {share:.2g} % of all pixels, in {images} of {n_maps} images, lie above"
        job.note(f"threshold {threshold:.6g}: {says}")
        if judged_says:
            job.tell(f"{job.collection}, {job.detector}: {judged_says}")
        shared = {
            "threshold": threshold,
            "normal": asdict(normal),
            **chosen,
            "says": says,
            "judged_says": judged_says,
            "scale": [float(np.median(cells)), float(maxima.max())],
            "levels": score_levels(cells),
            "n_images": n_maps,
        }
    write_json(output, shared)


def take_over_threshold(threshold: Path, known: str, output: Path) -> None:
    """Write the threshold of a known collection for new images that are compared with it.

    Args:
        threshold: JSON that `find_threshold` wrote for the known collection.
        known: name of that collection.
        output: the JSON to make, with the same content, but for what verdicts did.

    Raises:
        FirstsightError: no image of the known collection has a map.
    """
    known_threshold = read_json(threshold)
    if known_threshold["threshold"] is None:
        raise FirstsightError(f"{known}: no image has a map, so nothing can be held against it")
    write_json(output, {**known_threshold, "judged_says": ""})


class _Scores(NamedTuple):
    """Scores of N maps, from which the threshold is found.

    Attributes:
        cells: (n,) scores of random cells, equally many from every map.
        maps: the statistics of every map.
        otsu: (N,) Otsu's threshold of every map; (0,) where nobody asks.
    """

    cells: NDArray[np.float32]
    maps: MapStatistics
    otsu: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: Sequence["_Scores"]) -> Self:
        return cls(
            np.concatenate([part.cells for part in parts]),
            MapStatistics.joined(part.maps for part in parts),
            np.concatenate([part.otsu for part in parts]),
        )


def _shard_scores(shard: Path, keys: Sequence[str], limit: int, seed: int, *, own_otsu: bool) -> _Scores | None:
    """Scores of the maps of a shard, at most ``limit`` cells of each, drawn with a seed of its own; None of no map."""
    reader = ShardReader(shard)
    parts = []
    for index, key in enumerate(keys):
        cells = reader.read(key, "map")
        sample = _sample(cells.ravel(), limit, seed + index)
        otsu = np.array([otsu_threshold(cells.ravel())] if own_otsu else [])
        parts.append(_Scores(sample, MapStatistics.of(cells), otsu))
    return _Scores.joined(parts) if parts else None


def _of_images(normal: NormalImages, maps: MapStatistics, rate: float) -> tuple[float, str]:
    """The threshold of the middle image, and what the thresholds of all images mean, in words."""
    stand_out = int((normal.p_values(maps) < rate).sum())
    asked = f"of normal images, about {100 * rate:g} % are asked to have a region"
    threshold = float(np.median(normal.highest(maps.medians, rate / normal.questions)))
    return (
        threshold,
        f"{asked}; of these {len(maps.scores)} images, {stand_out} have; every image has a threshold of its own",
    )


def _of_cells(
    settings: Mapping[str, Any], cells: NDArray[np.float32], maxima: NDArray[np.float32]
) -> tuple[float, str]:
    """One threshold for all cells, and how it was found, in words."""
    match settings["method"]:
        case "false_alarm_rate":
            return pixel_threshold(
                cells, settings["rate"]
            ), f"about {100 * settings['rate']:g} % of normal pixels are asked to lie above"
        case "otsu":
            return otsu_threshold(cells), "Otsu's threshold of all scores"
        case "fixed":
            return float(settings["value"]), "the value that was given"
        case _:
            threshold = anomaly_threshold(cells, image_maxima=maxima)
            return threshold, "4 robust deviations above the median, and above a tenth of the images"


def _sample(scores: NDArray[np.float32], limit: int, seed: int) -> NDArray[np.float32]:
    return scores if scores.size <= limit else np.random.default_rng(seed).choice(scores, limit, replace=False)
