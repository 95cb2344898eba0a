"""One method on one folder of images, in a process of its own: prints a line of JSON."""

import json
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from firstsight.evaluation.localization import (
    auroc_from_statistics,
    average_precision_from_statistics,
    image_auroc_from_scores,
    pro_from_statistics,
)
from firstsight.evaluation.localization_statistics import localization_statistics
from methods import find_method
from piles import Pile, open_pile

SEED = 0


def main(folder: Path, name: str, learns_from: str, weights: Path) -> None:
    """Measure a method.

    Args:
        folder: the images.
        name: of the method.
        learns_from: ``pile``, all images; ``good``, the first half, by name, of those that are labelled normal.
        weights: of ResNet18.
    """
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    np.random.seed(SEED)
    with TemporaryDirectory() as scratch:
        pile = open_pile(folder, Path(scratch, "results"))
        kept = pile.good[: len(pile.good) // 2]
        rest = [place for place in range(len(pile)) if place not in kept]
        learned, searched = (kept, rest) if learns_from == "good" else ([*range(len(pile))],) * 2
        find = find_method(name)
        started = time.process_time()
        scores: dict[int, float] = {}
        maps: dict[int, Path] = {}
        for place, found in zip(searched, find(pile, learned, searched, weights), strict=True):
            scores[place] = found.score
            if found.map is not None:
                maps[place] = Path(scratch, f"{place}.npy")
                np.save(maps[place], found.map)
        seconds, memory = (time.process_time() - started) / len(searched), peak_memory_mb()
        parts = ({"all": searched} if learns_from == "pile" else {}) | ({"rest": rest} if kept else {})
        measured: dict[str, Any] = {"set": folder.name, "method": name, "learns_from": learns_from}
        measured |= {"learned": len(learned), "searched": len(searched), "seconds": seconds, "memory_mb": memory}
        measured |= {part: ratings(pile, places, scores, maps) for part, places in parts.items()}
    print(json.dumps(measured))


def ratings(
    pile: Pile, places: Sequence[int], scores: dict[int, float], maps: dict[int, Path]
) -> dict[str, float | None]:
    """Metrics of some of the images, in [0, 1]; None where there is none."""
    found: dict[str, float | None] = {"pro": None, "auroc": None, "average_precision": None}
    good = set(pile.good)
    labels = [place not in good for place in places]
    value = image_auroc_from_scores(labels, [scores[place] for place in places])
    found["image_auroc"] = value if np.isfinite(value) else None
    if maps:
        masks = [pile.mask(place) for place in places]
        statistics = localization_statistics(masks, [np.load(maps[place], mmap_mode="r") for place in places])
        found["pro"] = pro_from_statistics(statistics)
        found["auroc"] = auroc_from_statistics(statistics)
        found["average_precision"] = average_precision_from_statistics(statistics)
    return found


def peak_memory_mb() -> float:
    """The most memory that this process has held, with its libraries."""
    # Not getrusage: its maximum begins with that of the process this one was started from.
    (kilobytes,) = re.findall(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(kilobytes) / 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path(sys.argv[4]))
