"""Which cells of a collection the contrastive head sees together: the pool of cells, near and far images, one step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from torch import Tensor

from firstsight.errors import FirstsightError

# The fewest images with anomalous cells: an anchor, two nearer images and two farther ones.
FEWEST_IMAGES = 5


class ImageCells(Protocol):
    """The cells of an image, read when asked."""

    def read(self) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """The image's features (C, h, w) and its anomaly map (h, w) on the same grid."""
        ...


class StepCells(NamedTuple):
    """Cells of one step of training (or the head's outputs for these), each field (n, C); n = 0 where there are none.

    Attributes:
        anchor_anomalous: of the anchor image.
        anchor_normal: of the anchor image.
        positive: anomalous, of the images nearest to the anchor.
        other_normal: of the positives and the counterexamples.
        counterexample: anomalous, of images far from the anchor.
    """

    anchor_anomalous: Tensor
    anchor_normal: Tensor
    positive: Tensor
    other_normal: Tensor
    counterexample: Tensor


@dataclass(frozen=True)
class CellPool:
    """Random cells of a collection, held for the whole training.

    Attributes:
        channels: C.
        anomalous: {image: its anomalous cells (n, C)} for the images that have some.
        normal: {image: its normal cells (n, C)} for the images that have some; empty where no cells count as normal.
    """

    channels: int
    anomalous: dict[int, Tensor]
    normal: dict[int, Tensor]

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (C,) of the cells; the deviation of a channel that does not vary is 1."""
        parts = [*self.anomalous.values(), *self.normal.values()]
        count = sum(map(len, parts))
        mean = torch.stack([part.double().sum(dim=0) for part in parts]).sum(dim=0) / count
        variance = torch.stack([(part.double() - mean).square().sum(dim=0) for part in parts]).sum(dim=0) / count
        deviation = variance.sqrt()
        varies = deviation > 1e-6 * mean.abs()
        return mean.float(), torch.where(varies, deviation, torch.ones_like(deviation)).float()


def pool_by_weight(
    images: Sequence[ImageCells], temperature: float, count: int, generator: torch.Generator
) -> CellPool:
    """Draw cells of each image, with replacement and the probabilities softmax(map / temperature); none is normal.

    Args:
        images: read in order, every image once.
        temperature: in units of the maps, 0 or more; at 0, only cells with the highest score are drawn.
        count: cells of an image; the memory is N * count * C values of the features' type.
        generator: on the CPU.

    Raises:
        FirstsightError: a map and its features differ in shape, a value is not finite, images differ in their number of
            channels, or an image has no cells.
    """
    anomalous = {}
    for index, cells, scores in _read(images):
        below = scores - scores.max()
        weights = torch.exp(below / temperature) if temperature > 0 else (below == 0).double()
        anomalous[index] = cells[:, torch.multinomial(weights, count, replacement=True, generator=generator)].T
    return CellPool(_channels(anomalous), anomalous, {})


def pool_by_threshold(
    images: Sequence[ImageCells], threshold: float, count: int, generator: torch.Generator
) -> CellPool:
    """Draw cells of each image, without replacement: anomalous ones, above a threshold, and normal ones.

    Args:
        images: read in order, every image once.
        threshold: in units of the maps.
        count: cells of either kind from an image, at most; the memory is at most 2 * N * count * C values of the
            features' type.
        generator: on the CPU.

    Raises:
        FirstsightError: as `pool_by_weight`.
    """
    anomalous: dict[int, Tensor] = {}
    normal: dict[int, Tensor] = {}
    for index, cells, scores in _read(images):
        for kind, mask in ((anomalous, scores > threshold), (normal, scores <= threshold)):
            places = torch.nonzero(mask).flatten()
            if len(places):
                kind[index] = cells[:, places[torch.randperm(len(places), generator=generator)[:count]]].T
    return CellPool(_channels(anomalous or normal), anomalous, normal)


def rank_neighbours(descriptors: NDArray[np.floating], positives: int) -> tuple[Tensor, Tensor]:
    """For each image, the images nearest to it and the farther half of the others, by Euclidean distance.

    Args:
        descriptors: (n, D), finite, n at least 3; at equal distances the lower index counts as nearer.
        positives: how many of the nearest, at most the nearer half of the others.

    Returns:
        (n, min(positives, nearer half)) indices, nearest first, and (n, (n - 1) // 2) indices; never the image itself.
    """
    distances = cdist(descriptors, descriptors)
    np.fill_diagonal(distances, -1)
    others = torch.from_numpy(np.argsort(distances, axis=1, kind="stable")[:, 1:])
    nearer = others.shape[1] - others.shape[1] // 2
    return others[:, : min(positives, nearer)], others[:, nearer:]


def draw_step(
    pool: CellPool,
    anchor: int,
    positives: Sequence[int],
    counterexamples: Sequence[int],
    *,
    anchor_cells: int,
    other_cells: int,
    generator: torch.Generator,
) -> StepCells:
    """Draw the cells of a step from the pool, with replacement; all images of a group are equally likely.

    Args:
        pool: of the collection.
        anchor: an image.
        positives: images near to it.
        counterexamples: images far from it.
        anchor_cells: how many cells of the anchor, of either kind.
        other_cells: how many cells of the other images, of either kind.
        generator: on the CPU.
    """
    return StepCells(
        anchor_anomalous=_draw(pool, pool.anomalous, [anchor], anchor_cells, generator),
        anchor_normal=_draw(pool, pool.normal, [anchor], anchor_cells, generator),
        positive=_draw(pool, pool.anomalous, positives, other_cells, generator),
        other_normal=_draw(pool, pool.normal, [*positives, *counterexamples], other_cells, generator),
        counterexample=_draw(pool, pool.anomalous, counterexamples, other_cells, generator),
    )


def _read(images: Sequence[ImageCells]) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Each image's number, its cells (C, n) and their scores (n,)."""
    channels = 0
    for index, image in enumerate(images):
        features, anomaly_map = image.read()
        if features.ndim != 3 or features.shape[1:] != anomaly_map.shape or features.size == 0:
            raise FirstsightError(
                f"features {features.shape} do not match a map {anomaly_map.shape}: (C, h, w) and (h, w), not empty"
            )
        channels = channels or len(features)
        if len(features) != channels:
            raise FirstsightError(f"image {index} has {len(features)} channels, not {channels} like the first one")
        if not (np.isfinite(features).all() and np.isfinite(anomaly_map).all()):
            raise FirstsightError(f"the features or the map of image {index} hold values that are not finite")
        yield index, torch.tensor(features).flatten(1), torch.tensor(anomaly_map, dtype=torch.float64).flatten()


def _channels(cells: dict[int, Tensor]) -> int:
    return next(iter(cells.values())).shape[1] if cells else 0


def _draw(
    pool: CellPool, kind: dict[int, Tensor], images: Sequence[int], count: int, generator: torch.Generator
) -> Tensor:
    """(count, C) cells of a kind, from the images that have any; (0, C) where none has."""
    parts = [kind[image] for image in images if image in kind]
    if not parts:
        return torch.empty(0, pool.channels)
    lengths = torch.tensor([len(part) for part in parts])
    part = torch.randint(len(parts), (count,), generator=generator)
    # Rounding may raise a number just below 1 to the length.
    place = torch.minimum((torch.rand(count, generator=generator) * lengths[part]).long(), lengths[part] - 1)
    return torch.cat(parts)[(lengths.cumsum(dim=0) - lengths)[part] + place].float()
