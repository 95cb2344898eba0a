"""Random cells of a whole collection, read from its stores of features without ever holding them all."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from dask.base import compute
from dask.delayed import delayed
from torch import Tensor

from firstsight.detectors.layers import scale_channels
from firstsight.errors import FirstsightError
from firstsight.features.store import ShardReader

HELD_OUT_EVERY = 17
"""Of every 17 cells of an image, in reading order, the first is held out (17, lest they line up in columns)."""

# As many different seeds as a float64 holds without rounding: what numpy, JSON and torch all agree on.
_SEEDS = 2**53


class CellSource:
    """The cells (feature vectors) of one layer of all usable images of a collection, every image scaled on its own.

    Args:
        shards: the collection's stores of features, in a fixed order; images may differ in size.
        layer: name of the feature layer.
        images_per_draw: of more images than this, a draw takes a random subset of this many.
        threads: images that are read at a time.

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
        self._entries: list[tuple[ShardReader, str]] = []
        for reader in map(ShardReader, shards):
            keys = reader.keys()
            self._entries += [(reader, key) for key in keys]
        self._usable: dict[int, bool] = {}
        first = next(self._usable_images(range(len(self._entries))), None)
        if first is None:
            raise FirstsightError(f"none of the {len(self._entries)} images of the collection has features")
        self.channels = len(self._scaled(first))

    def draw(self, count: int, generator: torch.Generator, *, held_out: bool = False) -> Tensor:
        """Draw random cells: an equal share (one more or less) of every image, with replacement, in random order.

        What is held at a time is the result and, for each thread, one image.

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
        order = torch.randperm(len(self._entries), generator=generator).tolist()
        images = []
        for image in self._usable_images(order):
            images.append(image)
            if len(images) == min(count, self._images_per_draw):
                break
        rows = torch.randperm(count, generator=generator).tensor_split(len(images))
        seeds = torch.randint(_SEEDS, (len(images),), generator=generator).tolist()
        cells = torch.empty(count, self.channels)

        def read(image: int, places: Tensor, seed: int) -> None:
            cells[places] = self._some_cells(image, len(places), seed, held_out)

        tasks = [delayed(read)(*each) for each in zip(images, rows, seeds, strict=True)]
        compute(*tasks, scheduler="threads", num_workers=self._threads)  # type: ignore[no-untyped-call]
        return cells

    def _usable_images(self, order: Sequence[int]) -> Iterator[int]:
        for image in order:
            if image not in self._usable:
                reader, key = self._entries[image]
                self._usable[image] = reader.attributes(key)["status"] == "ok"
            if self._usable[image]:
                yield image

    def _scaled(self, image: int) -> Tensor:
        """(C, h * w): the scaled cells of one image."""
        reader, key = self._entries[image]
        return scale_channels(torch.from_numpy(reader.read(key, self.layer))).flatten(1)

    def _some_cells(self, image: int, count: int, seed: int, held_out: bool) -> Tensor:
        scaled = self._scaled(image)
        if len(scaled) != self.channels:
            reader, key = self._entries[image]
            raise FirstsightError(
                f"{str(reader.path)!r} has {len(scaled)} channels of {self.layer} at {key!r}, not {self.channels}"
            )
        position = torch.arange(scaled.shape[1])
        choice = position[(position % HELD_OUT_EVERY == 0) == held_out]
        if len(choice) == 0:
            choice = position
        picked = torch.randint(len(choice), (count,), generator=torch.Generator().manual_seed(seed))
        return scaled[:, choice[picked]].T
