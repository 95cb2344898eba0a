"""The metrics of firstsight beside those of anomalib, scikit-learn and torchmetrics, on the same maps.

    python benchmarks/peers/check_metrics.py FOLDER ...     images of one size, with masks; some of them good

The maps are those of `fca` with Laws' filters, which need no weights; once as they are, once rounded to 20 values so
that most scores occur many times.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score
from torchmetrics.functional.classification import binary_auroc, binary_average_precision

from firstsight.evaluation import localization
from firstsight_detectors import find_with
from piles import open_pile
from pro_definitions import FOUR, by_anomalib, defined, with_thresholds

Masks = NDArray[np.bool_]
Maps = NDArray[np.floating]
Metric = Callable[[Masks, Maps], float]

LEVELS = 20


def _of_pixels(metric: Callable[..., float]) -> Metric:
    return lambda masks, maps: float(metric(masks.ravel(), maps.ravel()))


def _of_tensors(metric: Callable[..., torch.Tensor]) -> Metric:
    return lambda masks, maps: float(
        metric(torch.from_numpy(maps.ravel()), torch.from_numpy(masks.ravel().astype(int)))
    )


def _of_images(metric: Metric) -> Metric:
    """The metric on one score an image, its largest value."""
    return lambda masks, maps: metric(np.asarray(masks.any(axis=(1, 2))), maps.max(axis=(1, 2)))


CHECKS: dict[str, tuple[Metric, dict[str, Metric]]] = {
    "PRO": (
        localization.pro,
        {
            "the definition": defined,
            "anomalib AUPRO": by_anomalib,
            "4-connected regions": partial(defined, connected=FOUR),
            "200 thresholds": with_thresholds,
            "ties in the order of pixels": partial(defined, split_ties=True),
        },
    ),
    "AUROC": (
        localization.auroc,
        {"scikit-learn": _of_pixels(roc_auc_score), "torchmetrics": _of_tensors(binary_auroc)},
    ),
    "AP": (
        localization.average_precision,
        {"scikit-learn": _of_pixels(average_precision_score), "torchmetrics": _of_tensors(binary_average_precision)},
    ),
    "AUROC of images": (
        _of_images(localization.image_auroc_from_scores),
        {"scikit-learn": _of_images(_of_pixels(roc_auc_score)), "torchmetrics": _of_images(_of_tensors(binary_auroc))},
    ),
}
"""For each metric that of firstsight, and the others."""


def main(folders: list[Path]) -> None:
    """Print a Markdown table: a row for each other way to compute a metric, the difference in percentage points."""
    print("| set | maps | metric | firstsight, % | computed by | difference, points |\n|" + " --- |" * 6)
    for folder in folders:
        masks, maps = read(folder)
        for title, values in {"as they are": maps, f"{LEVELS} values": rounded(maps)}.items():
            for metric, (ours, others) in CHECKS.items():
                if metric == "AUROC of images" and masks.any(axis=(1, 2)).all():
                    continue
                value = ours(masks, values)
                for name, other in others.items():
                    apart = 100 * (other(masks, values) - value)
                    print(f"| {folder.name} | {title} | {metric} | {100 * value:.2f} | {name} | {apart:+.1e} |")


def read(folder: Path) -> tuple[Masks, Maps]:
    """Masks and maps (N, H, W) of a folder whose images are of one size."""
    with TemporaryDirectory() as scratch:
        pile = open_pile(folder, Path(scratch))
        places = range(len(pile))
        found = find_with(pile, places, places, Path(), detector="fca", extractor="laws")
        return np.stack([pile.mask(place) for place in places]), np.stack(
            [one.map for one in found if one.map is not None]
        )


def rounded(maps: Maps) -> Maps:
    """The maps with so few different values that most pixels share theirs with many."""
    low, high = maps.min(), maps.max()
    return np.round((maps - low) / (high - low) * (LEVELS - 1)).astype(np.float32)


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
