"""Two detectors of PyOD (https://github.com/yzhao062/pyod) on features of ResNet18, layers 2 and 3.

A detector of PyOD that is fitted gives the scores of what it was fitted on (`decision_scores_`), and these are taken
where a pile is searched that was learned from: a row is then not its own neighbour.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from anomalib.models.components import TimmFeatureExtractor
from numpy.typing import NDArray
from pyod.models.base import BaseDetector
from pyod.models.ecod import ECOD
from pyod.models.knn import KNN
from torch.nn.functional import avg_pool2d, interpolate

from anomalib_models import TRUNK, load_trunk
from firstsight.detectors.image_score import image_score
from found import Found, batches, to_image
from piles import Pile

LAYERS = ("layer2", "layer3")


def ecod(pile: Pile, learned: Sequence[int], searched: Sequence[int], weights: Path) -> Iterator[Found]:
    """ECOD (Li et al., 2022) on cells, means of 3 x 3: how far out in the tails of all channels a cell lies.

    The score of an image is the one that firstsight makes of a map.
    """
    features = _features(pile, sorted({*learned, *searched}), weights)
    side = next(iter(features.values())).shape[1]
    rows = {place: cells.reshape(len(cells), -1).T for place, cells in features.items()}
    scores = _scores(ECOD(), rows, learned, searched).reshape(len(searched), side, side)
    for place, cells in zip(searched, scores, strict=True):
        values = torch.from_numpy(cells.astype(np.float32))
        yield Found(to_image(values, pile.shape(place)), image_score(cells))


def nearest(pile: Pile, learned: Sequence[int], searched: Sequence[int], weights: Path) -> Iterator[Found]:
    """KNN (the distance to the fifth nearest of the others) on images: means of all cells. It makes no maps."""
    features = _features(pile, sorted({*learned, *searched}), weights)
    rows = {place: cells.mean(axis=(1, 2))[None] for place, cells in features.items()}
    for score in _scores(KNN(n_neighbors=min(5, len(learned) - 1)), rows, learned, searched).tolist():
        yield Found(None, score)


@torch.no_grad()
def _features(pile: Pile, places: Sequence[int], weights: Path) -> dict[int, NDArray[np.float32]]:
    """(C, h, w) of each image, both layers on the grid of the finer one."""
    trunk = TimmFeatureExtractor(backbone=TRUNK, layers=LAYERS, pre_trained=False).eval()
    load_trunk(trunk.feature_extractor, weights)
    of_images = []
    for batch in batches(pile, places):
        fine, coarse = (avg_pool2d(layer, 3, 1, 1) for layer in trunk(batch).values())
        of_images += list(torch.cat([fine, interpolate(coarse, fine.shape[2:], mode="bilinear")], 1).numpy())
    return dict(zip(places, of_images, strict=True))


def _scores(
    detector: BaseDetector, rows: dict[int, NDArray[np.float32]], learned: Sequence[int], searched: Sequence[int]
) -> NDArray[np.float64]:
    detector.fit(np.concatenate([rows[place] for place in learned]))
    if list(learned) == list(searched):
        return detector.decision_scores_
    return detector.decision_function(np.concatenate([rows[place] for place in searched]))
