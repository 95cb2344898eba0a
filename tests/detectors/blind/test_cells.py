import contextlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from firstsight.detectors.blind import cells as module
from firstsight.detectors.blind.cells import HELD_OUT_EVERY, CellSource
from firstsight.detectors.layers import scale_channels
from firstsight.errors import FirstsightError
from firstsight.storage.store import ShardReader, ShardWriter

CHANNELS = 3
SIZES = [(6, 9), (5, 5), (8, 4), (1, 40)]


def features_of(image: int, channels: int = CHANNELS) -> np.ndarray:
    height, width = SIZES[image % len(SIZES)]
    return np.random.default_rng(image).random((channels, height, width), np.float32) * (image + 1)


def write_shard(path: Path, images: range, broken: tuple[int, ...] = ()) -> Path:
    with ShardWriter(path, dtype="float32") as writer:
        for image in images:
            attributes = {"image": f"{image}", "token": f"{image} {image}"}
            if image in broken:
                writer.add(f"{image:05d}", "t", {}, attributes | {"status": "cannot be read"})
            else:
                arrays = {"layer1": features_of(image), "layer2": features_of(image, 5)}
                writer.add(f"{image:05d}", "t", arrays, attributes | {"status": "ok"})
    return path


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def scaled_cells(image: int) -> np.ndarray:
    """(cells, C) of an image."""
    return scale_channels(torch.from_numpy(features_of(image))).flatten(1).T.numpy()


def origins(cells: torch.Tensor, images: list[int]) -> list[tuple[int, int]]:
    """Image and position of every cell, found by its values."""
    places = {
        cell.tobytes(): (image, position) for image in images for position, cell in enumerate(scaled_cells(image))
    }
    return [places[cell.tobytes()] for cell in cells.numpy()]


def test_every_image_gives_its_share_of_its_own_scaled_cells(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(4)), write_shard(tmp_path / "b.zarr", range(4, 7))]
    cells = CellSource(shards, "layer1").draw(704, generator())
    assert cells.shape == (704, CHANNELS)
    assert cells.dtype == torch.float32
    found = origins(cells, list(range(7)))
    counts = np.bincount([image for image, _ in found], minlength=7)
    assert sorted(counts) == [100] * 3 + [101] * 4
    assert len(set(found)) > 150


def test_cells_come_in_random_order(tmp_path: Path) -> None:
    source = CellSource([write_shard(tmp_path / "a.zarr", range(4))], "layer1")
    images = [image for image, _ in origins(source.draw(400, generator()), list(range(4)))]
    changes = sum(first != second for first, second in itertools.pairwise(images))
    assert 250 < changes < 350


def test_the_same_seed_gives_the_same_cells_whatever_the_threads(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(6))]
    torch.manual_seed(0)
    untouched = torch.random.get_rng_state()
    one, four = (CellSource(shards, "layer1", threads=threads) for threads in (1, 4))
    expected = one.draw(100, generator(5))
    assert torch.equal(expected, one.draw(100, generator(5)))
    assert torch.equal(expected, four.draw(100, generator(5)))
    assert not torch.equal(expected, one.draw(100, generator(6)))
    assert torch.equal(untouched, torch.random.get_rng_state())


def test_one_generator_gives_fresh_cells_every_time(tmp_path: Path) -> None:
    source = CellSource([write_shard(tmp_path / "a.zarr", range(4))], "layer1")
    running = generator()
    assert not torch.equal(source.draw(50, running), source.draw(50, running))


def test_held_out_cells_are_never_drawn_otherwise(tmp_path: Path) -> None:
    source = CellSource([write_shard(tmp_path / "a.zarr", range(4))], "layer1")
    training = set(origins(source.draw(4000, generator()), list(range(4))))
    held_out = set(origins(source.draw(4000, generator(), held_out=True), list(range(4))))
    assert not training & held_out
    counts = [height * width for height, width in SIZES]
    assert len(held_out) == sum(-(-count // HELD_OUT_EVERY) for count in counts)
    assert len(training | held_out) == sum(counts)


def test_images_without_features_are_passed_over(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(5), broken=(0, 3)), write_shard(tmp_path / "b.zarr", range(0))]
    found = origins(CellSource(shards, "layer1").draw(90, generator()), [1, 2, 4])
    assert np.bincount([image for image, _ in found]).tolist() == [0, 30, 30, 0, 30]


def test_of_many_images_a_random_few_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(9), broken=(2,))]
    source = CellSource(shards, "layer1")
    monkeypatch.setattr(module, "IMAGES_PER_DRAW", 3)
    running = generator()
    seen = set()
    for _ in range(12):
        images = {image for image, _ in origins(source.draw(60, running), [0, 1, 3, 4, 5, 6, 7, 8])}
        assert len(images) == 3
        seen |= images
    assert seen == {0, 1, 3, 4, 5, 6, 7, 8}


def test_fewer_cells_than_images(tmp_path: Path) -> None:
    source = CellSource([write_shard(tmp_path / "a.zarr", range(6))], "layer1")
    assert len({image for image, _ in origins(source.draw(4, generator()), list(range(6)))}) == 4


def test_the_number_of_channels_is_that_of_the_layer(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(3), broken=(0,))]
    assert CellSource(shards, "layer1").channels == CHANNELS
    assert CellSource(shards, "layer2").channels == 5


def test_no_usable_image(tmp_path: Path) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(2), broken=(0, 1))]
    with pytest.raises(FirstsightError, match="no image of the collection has features"):
        CellSource(shards, "layer1")


@pytest.mark.parametrize("count", [0, -1])
def test_bad_numbers_are_refused(tmp_path: Path, count: int) -> None:
    shards = [write_shard(tmp_path / "a.zarr", range(2))]
    with pytest.raises(FirstsightError, match=f"threads is {count}"):
        CellSource(shards, "layer1", threads=count)
    with pytest.raises(FirstsightError, match=f"the count of cells is {count}"):
        CellSource(shards, "layer1").draw(count, generator())


def test_a_missing_shard_and_a_missing_layer(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="does not exist"):
        CellSource([tmp_path / "none.zarr"], "layer1")
    with pytest.raises(FirstsightError, match="holds no 'layer9' of '00000'"):
        CellSource([write_shard(tmp_path / "a.zarr", range(2))], "layer9")


def test_a_damaged_shard(tmp_path: Path) -> None:
    path = write_shard(tmp_path / "a.zarr", range(3))
    source = CellSource([path], "layer1")
    content = bytearray(path.read_bytes())
    content[content.index(b"layer1/c/", content.index(b"00002-")) + 100] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(FirstsightError, match="is damaged at '00002'"):
        source.draw(30, generator())


def test_images_of_other_channels_are_refused(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "a.zarr", dtype="float32") as writer:
        writer.add("a", "t", {"layer1": np.zeros((3, 5, 5))}, {"status": "ok", "image": "a", "token": "a a"})
        writer.add("b", "t", {"layer1": np.zeros((4, 5, 5))}, {"status": "ok", "image": "b", "token": "b b"})
    with pytest.raises(FirstsightError, match="has 3 channels of layer1 at 'a', not 4"):
        CellSource([tmp_path / "a.zarr"], "layer1").draw(10, generator())


@pytest.mark.parametrize("held_out", [False, True])
def test_a_map_of_one_cell_costs_nobody_the_run(tmp_path: Path, held_out: bool) -> None:
    with ShardWriter(tmp_path / "a.zarr", dtype="float32") as writer:
        writer.add("a", "t", {"layer1": np.ones((3, 1, 1))}, {"status": "ok", "image": "a", "token": "a a"})
    cells = CellSource([tmp_path / "a.zarr"], "layer1").draw(5, generator(), held_out=held_out)
    assert cells.tolist() == [[0, 0, 0]] * 5


def test_a_collection_larger_than_the_memory_it_takes(tmp_path: Path) -> None:
    shape, images = (64, 96, 96), 40
    random = np.random.default_rng(0).random(shape, np.float32).astype(np.float16)
    with ShardWriter(tmp_path / "a.zarr") as writer:
        for image in range(images):
            attributes = {"status": "ok", "image": f"{image}", "token": f"{image} {image}"}
            writer.add(f"{image}", "t", {"layer1": np.roll(random, image)}, attributes)
    image_megabytes = np.prod(shape) * 4 / 2**20
    source = CellSource([tmp_path / "a.zarr"], "layer1", threads=2)
    source.draw(100, generator())
    before = forget_peak_memory()
    cells = source.draw(4000, generator())
    assert cells.shape == (4000, 64)
    # Two threads, each with an image as it is stored, read, and scaled in two steps.
    assert memory("VmHWM") - before < 10 * image_megabytes < images * image_megabytes / 3
    assert len(ShardReader(tmp_path / "a.zarr").keys()) == images


def forget_peak_memory() -> float:
    """Let the peak begin with what is held now, in MiB."""
    reset = Path("/proc/self/clear_refs")
    with contextlib.suppress(OSError):
        reset.write_text("5", encoding="ascii")
        return memory("VmHWM")
    pytest.skip("the peak of memory cannot be reset here")


def memory(name: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    pytest.skip(f"{name} is not known here")
