"""Reading ahead gives what a plain loop gives, in its order, and never holds more than it may."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from PIL import Image

from firstsight.collections.images import read_row
from firstsight.errors import DamagedError, FirstsightError
from firstsight.stages.ahead import read_ahead

SECONDS = 30
"""After which what should have happened has not."""


def square(number: int) -> int:
    if number % 5 == 3:
        raise FirstsightError(f"{number} cannot be read")
    return number**2


def plain_loop(items: list[int]) -> list[str]:
    found = []
    for item in items:
        try:
            found.append(str(square(item)))
        except FirstsightError as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("budget", [1, 3, 1000])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_the_results_are_those_of_a_plain_loop(threads: int, budget: int, count: int) -> None:
    items = list(range(count))
    with read_ahead(items, square, cost=lambda item: item % 4, budget=budget, threads=threads) as results:
        assert [str(result) for result in results] == plain_loop(items)


def test_what_is_read_sooner_keeps_its_place() -> None:
    later = threading.Event()

    def read(item: int) -> int:
        if item == 0:
            assert later.wait(SECONDS)
        elif item == 3:
            later.set()
        return item

    with read_ahead(range(4), read, cost=lambda item: 1, budget=4, threads=2) as results:
        assert list(results) == [0, 1, 2, 3]


class Counted:
    """A reader that knows what is held: begun, and not yet followed by the next."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun: list[int] = []
        self.released = 0
        self.largest = 0

    def __call__(self, cost: int) -> int:
        with self.lock:
            self.begun.append(cost)
            held = self.begun[self.released :]
            if len(held) > 1:
                self.largest = max(self.largest, sum(held))
        return cost


def test_the_budget_is_kept() -> None:
    costs = [int(cost) for cost in np.random.default_rng(0).choice([1, 2, 5, 9, 24], 120)]
    reader = Counted()
    with read_ahead(costs, reader, cost=lambda cost: cost, budget=10, threads=4) as results:
        for number in range(len(costs)):
            with reader.lock:
                reader.released = number
            assert next(results) == costs[number]
    assert sorted(reader.begun) == sorted(costs)
    assert reader.largest <= 10, "what is larger is held alone"


def test_the_budget_and_the_threads_are_used() -> None:
    together = threading.Barrier(4)

    def read(item: int) -> int:
        together.wait(SECONDS)
        return item

    with read_ahead(range(8), read, cost=lambda item: 2, budget=8, threads=4) as results:
        assert list(results) == list(range(8))


def test_what_follows_is_read_while_the_first_is_worked_on() -> None:
    second = threading.Event()

    def read(item: int) -> int:
        if item == 1:
            second.set()
        return item

    with read_ahead([0, 1], read, cost=lambda item: 1, budget=2, threads=1) as results:
        assert next(results) == 0
        assert second.wait(SECONDS)


def test_a_result_is_not_kept_while_the_next_is_read() -> None:
    """Of two large images one is in memory at a time."""

    there = 0

    class Large:
        def __init__(self) -> None:
            nonlocal there
            there += 1
            self.seen = there

        def __del__(self) -> None:
            nonlocal there
            there -= 1

    def seen(result: Large | FirstsightError) -> int:
        assert isinstance(result, Large)
        return result.seen

    with read_ahead(range(4), lambda _: Large(), cost=lambda _: 9, budget=1, threads=1) as results:
        assert [seen(next(results)) for _ in range(4)] == [1, 1, 1, 1]


def raise_damaged() -> None:
    raise DamagedError("the store is damaged", Path("store"))


def raise_disk_full() -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(
    ("fail", "kind"), [(raise_damaged, DamagedError), (raise_disk_full, OSError), (lambda: 1 // 0, ZeroDivisionError)]
)
def test_what_is_not_of_one_image_is_raised_in_its_turn(fail: Callable[[], object], kind: type[Exception]) -> None:
    def read(item: int) -> int:
        if item == 3:
            fail()
        return item

    with read_ahead(range(9), read, cost=lambda item: 1, budget=9, threads=3) as results:
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(kind):
            next(results)


@pytest.mark.parametrize("how", ["break", "raise"])
def test_leaving_early_begins_nothing_more(how: str) -> None:
    begun = []

    def read(item: int) -> int:
        begun.append(item)
        time.sleep(0.02)
        return item

    def leave() -> None:
        with read_ahead(range(1000), read, cost=lambda item: 1, budget=1000, threads=2) as results:
            for result in results:
                if result == 2:
                    if how == "raise":
                        raise KeyboardInterrupt
                    break

    if how == "raise":
        with pytest.raises(KeyboardInterrupt):
            leave()
    else:
        leave()
    assert len(begun) < 500
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("read_ahead")]


@pytest.mark.parametrize("kind", ["hdf5", "zarr", "tiff", "png"])
def test_images_of_every_kind_are_read_in_threads(kind: str, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (24, 30, 41)).astype(np.uint8)
    rows = [{"path": f"{tmp_path}/stack.{kind}:/images[{index}]", "missing": None} for index in range(24)]
    match kind:
        case "hdf5":
            with h5py.File(tmp_path / "stack.hdf5", "w") as file:
                file["images"] = images
        case "zarr":
            zarr.open_group(tmp_path / "stack.zarr", mode="w").create_array("images", data=images, chunks=(5, 30, 41))
        case "tiff":
            tifffile.imwrite(tmp_path / "stack.tiff", images)
            rows = [{"path": f"{tmp_path}/stack.tiff[{index}]", "missing": None} for index in range(24)]
        case "png":
            rows = [{"path": str(tmp_path / f"{index}.png"), "missing": None} for index in range(24)]
            for row, image in zip(rows, images, strict=True):
                Image.fromarray(image).save(str(row["path"]))
    for _ in range(3):
        with read_ahead(rows, read_row, cost=lambda row: 1, budget=24, threads=6) as results:
            for result, expected in zip(results, images, strict=True):
                assert isinstance(result, np.ndarray)
                np.testing.assert_allclose(result[:, :, 0], expected / 255, atol=1e-6)
