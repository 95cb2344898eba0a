"""Random cells of a whole collection, read from its stores of features without ever holding them all."""

from collections.abc import Sequence
from itertools import islice
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

HELD_OUT_EVERY = 17
"""Of every 17 cells of an image, in reading order, the first is held out (17, lest they line up in columns)."""

# As many different seeds as a float64 holds without rounding: what numpy, JSON and torch all agree on.
_SEEDS = 2**53


# Images of a shard that one task reads, one after the other.
_IMAGES_PER_TASK = 8


class CellSource:
    """The cells (feature vectors) of one layer of all usable images of a collection, every image scaled on its own.

    The stores are read by tasks of dask: where they run makes no difference to the cells.

    Args:
        shards: the collection's stores of features, in a fixed order; images may differ in size.
        layer: name of the feature layer.
        images_per_draw: of more images than this, a draw takes a random subset of this many.
        threads: images that are read at a time, where no client of dask is open.

    Raises:
        FirstsightError: a shard that is not there or not whole; a collection without usable images.
    """

    def __init__(self, shards: Sequence[Path], layer: str, *, images_per_draw: int = 512, threads: int = 2) -> None:
        for name, value in {"images_per_draw": images_per_draw, "threads": threads}.items():
            if value < 1:
                raise FirstsightError(f"{name} is {value}, but must be positive")
        self.layer = layer
        self._images_per_draw = images_per_draw
        self._threads = threads
        stores = [path.absolute() for path in shards]
        statuses = self._compute([delayed(_statuses)(store) for store in stores])
        self._images = [
            (store, key, status == "ok")
            for store, found in zip(stores, statuses, strict=True)
            for key, status in found.items()
        ]
        first = next(((store, key) for store, key, usable in self._images if usable), None)
        if first is None:
            raise FirstsightError(f"none of the {len(self._images)} images of the collection has features")
        self.channels: int
        (self.channels,) = self._compute([delayed(_channels)(*first, layer)])

    def draw(self, count: int, generator: torch.Generator, *, held_out: bool = False) -> Tensor:
        """Draw random cells: an equal share (one more or less) of every image, with replacement, in random order.

        What is held at a time is the result, the parts that it is put together from and, for each task, one image.

        Args:
            count: how many cells.
            generator: on the CPU; the same state gives the same cells, whatever the number of threads.
            held_out: draw from the cells that are held out for validation, else from the others: no cell is in both,
                but that of an image with a single one.

        Returns:
            (count, C) float32 in [0, 1].

        Raises:
            FirstsightError: a damaged shard; images with different numbers of channels; a count below 1.
        """
        if count < 1:
            raise FirstsightError(f"the count of cells is {count}, but must be positive")
        order = torch.randperm(len(self._images), generator=generator).tolist()
        usable = (image for image in order if self._images[image][2])
        images = list(islice(usable, min(count, self._images_per_draw)))
        rows = torch.randperm(count, generator=generator).tensor_split(len(images))
        seeds = torch.randint(_SEEDS, (len(images),), generator=generator).tolist()

        by_store: dict[Path, list[int]] = {}
        for place, image in enumerate(images):
            by_store.setdefault(self._images[image][0], []).append(place)
        runs = [
            (store, places[start : start + _IMAGES_PER_TASK])
            for store, places in by_store.items()
            for start in range(0, len(places), _IMAGES_PER_TASK)
        ]
        tasks = []
        for store, places in runs:
            wanted = [(self._images[images[place]][1], len(rows[place]), seeds[place]) for place in places]
            tasks.append(delayed(_some_cells)(store, wanted, self.layer, self.channels, held_out))
        cells = torch.empty(count, self.channels)
        for (_, places), found in zip(runs, self._compute(tasks), strict=True):
            cells[torch.cat([rows[place] for place in places])] = torch.from_numpy(found)
        return cells

    def _compute(self, tasks: Sequence[Any]) -> tuple[Any, ...]:
        found: tuple[Any, ...] = compute(*tasks, num_workers=self._threads)  # type: ignore[no-untyped-call]
        return found


def _statuses(store: Path) -> dict[str, str]:
    """The status of every entry of a store."""
    reader = ShardReader(store)
    keys = reader.keys()
    return {key: reader.attributes(key)["status"] for key in keys}


def _channels(store: Path, key: str, layer: str) -> int:
    """C of a layer."""
    return len(ShardReader(store).read(key, layer))


def _some_cells(
    store: Path, wanted: Sequence[tuple[str, int, int]], layer: str, channels: int, held_out: bool
) -> NDArray[np.float32]:
    """(n, C): random scaled cells of images of one store, read one after the other.

    ``wanted`` holds for each image its key, how many cells, and the seed that they are drawn with.
    """
    reader = ShardReader(store)
    found = np.empty((sum(count for _, count, _ in wanted), channels), np.float32)
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
        found[start : start + count] = scaled[:, choice[picked]].T
        start += count
    return found
