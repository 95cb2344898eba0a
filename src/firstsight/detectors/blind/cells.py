"""Random cells of a whole collection, read from its stores of features without ever holding them all."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray
from torch import Tensor

from firstsight.detectors.layers import scale_channels
from firstsight.errors import FirstsightError
from firstsight.storage.store import ShardReader
from firstsight.storage.stored_images import usable_entries

HELD_OUT_EVERY = 17
"""The first of every 17 cells of an image, in reading order, is held out (17, lest they line up in columns)."""

IMAGES_PER_DRAW = 512
"""A draw takes a random subset of this many images where there are more."""

# As many seeds as a float64 can tell apart: NumPy, JSON and torch all agree on them.
_SEEDS = 2**53

# Images of a shard that one task reads, one after the other.
_IMAGES_PER_TASK = 8


class CellSource:
    """The cells (feature vectors) of one layer of all usable images of a collection, every image scaled on its own.

    Tasks of dask read the stores; where the tasks run makes no difference to the cells.

    Args:
        shards: the collection's stores of features, in any order; images may differ in size.
        layer: name of the feature layer.
        threads: images that are read at a time where no client of dask is open.

    Raises:
        FirstsightError: a shard is missing or not whole, or the collection has no usable images.
    """

    def __init__(self, shards: Sequence[Path], layer: str, *, threads: int = 2) -> None:
        if threads < 1:
            raise FirstsightError(f"threads is {threads}, but must be positive")
        self.layer = layer
        self._threads = threads
        entries = self._compute([delayed(_entries)(path.absolute()) for path in shards])
        self._images = sorted(chain.from_iterable(entries))
        if not self._images:
            raise FirstsightError("no image of the collection has features")
        _, _, *first = self._images[0]
        self.channels: int
        (self.channels,) = self._compute([delayed(_channels)(*first, layer)])

    def draw(self, count: int, generator: torch.Generator, *, held_out: bool = False) -> Tensor:
        """Draw random cells: an equal share (one more or less) of every image, with replacement, in random order.

        In memory at a time are the result, the parts that it is put together from and, for each task, one image.

        Args:
            count: how many cells.
            generator: on the CPU; the same state gives the same cells, whatever the number of threads.
            held_out: draw from the cells that are held out for validation, otherwise from the others. No cell is in
                both, except the only cell of an image.

        Returns:
            (count, C) float32 in [0, 1].

        Raises:
            FirstsightError: a shard is damaged, images differ in their number of channels, or the count is below 1.
        """
        if count < 1:
            raise FirstsightError(f"the count of cells is {count}, but must be positive")
        order = torch.randperm(len(self._images), generator=generator).tolist()
        images = order[: min(count, IMAGES_PER_DRAW)]
        rows = torch.randperm(count, generator=generator).tensor_split(len(images))
        seeds = torch.randint(_SEEDS, (len(images),), generator=generator).tolist()

        by_store: dict[Path, list[int]] = {}
        for place, image in enumerate(images):
            by_store.setdefault(self._images[image][2], []).append(place)
        runs = [
            (store, places[start : start + _IMAGES_PER_TASK])
            for store, places in by_store.items()
            for start in range(0, len(places), _IMAGES_PER_TASK)
        ]
        tasks = []
        for store, places in runs:
            wanted = [(self._images[images[place]][3], len(rows[place]), seeds[place]) for place in places]
            tasks.append(delayed(_some_cells)(store, wanted, self.layer, self.channels, held_out))
        cells = torch.empty(count, self.channels)
        for (_, places), drawn in zip(runs, self._compute(tasks), strict=True):
            cells[torch.cat([rows[place] for place in places])] = torch.from_numpy(drawn)
        return cells

    def _compute(self, tasks: Sequence[Any]) -> tuple[Any, ...]:
        results: tuple[Any, ...] = compute(*tasks, num_workers=self._threads)  # type: ignore[no-untyped-call]
        return results


def _entries(store: Path) -> list[tuple[str, str, Path, str]]:
    """The `usable_entries` of a store, each with the store before its key."""
    return [(content, image, store, key) for content, image, key in usable_entries(ShardReader(store))]


def _channels(store: Path, key: str, layer: str) -> int:
    """How many channels a layer has."""
    return len(ShardReader(store).read(key, layer))


def _some_cells(
    store: Path, wanted: Sequence[tuple[str, int, int]], layer: str, channels: int, held_out: bool
) -> NDArray[np.float32]:
    """(n, C): random scaled cells of images of one store, read one after the other.

    ``wanted`` holds, for each image, its key, the number of cells and the seed that they are drawn with.
    """
    reader = ShardReader(store)
    cells = np.empty((sum(count for _, count, _ in wanted), channels), np.float32)
    start = 0
    for key, count, seed in wanted:
        # (C, h * w)
        scaled = scale_channels(torch.from_numpy(reader.read(key, layer))).flatten(1)
        if len(scaled) != channels:
            raise FirstsightError(f"{str(store)!r} has {len(scaled)} channels of {layer} at {key!r}, not {channels}")
        position = torch.arange(scaled.shape[1])
        choice = position[(position % HELD_OUT_EVERY == 0) == held_out]
        if len(choice) == 0:
            choice = position
        picked = torch.randint(len(choice), (count,), generator=torch.Generator().manual_seed(seed))
        cells[start : start + count] = scaled[:, choice[picked]].T
        start += count
    return cells
