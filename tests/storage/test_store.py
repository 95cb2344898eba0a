import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.store import ShardReader, ShardWriter, take_back

KEYS = [f"tiles/image {index}.png" for index in range(6)]


def maps_of(key: str, version: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng([version, *key.encode()])
    return {"layer1": generator.random((4, 9, 7)), "layer2": generator.random((8, 5, 4)).astype(np.float32)}


def fill(writer: ShardWriter, keys: list[str] = KEYS, version: int = 0) -> list[str]:
    """Write what is missing; returns the keys that were."""
    missing = [key for key in keys if not writer.has(key, f"token {version}")]
    for key in missing:
        writer.add(key, f"token {version}", maps_of(key, version), {"size": [9, 7], "version": version})
    return missing


def leave_half_done(path: Path, keys: list[str] = KEYS) -> None:
    with contextlib.suppress(KeyboardInterrupt), ShardWriter(path) as writer:
        fill(writer, keys)
        raise KeyboardInterrupt


def check(path: Path, keys: list[str] = KEYS, version: int = 0) -> None:
    reader = ShardReader(path)
    assert sorted(reader.keys()) == sorted(keys)
    for key in keys:
        assert reader.names(key) == ["layer1", "layer2"]
        assert reader.attributes(key) == {"size": [9, 7], "version": version}
        for name, expected in maps_of(key, version).items():
            found = reader.read(key, name)
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, expected.astype(np.float16).astype(np.float32))


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Identity and time of writing of every file below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            status = path.stat()
            found[str(path.relative_to(folder))] = (status.st_ino, status.st_mtime_ns)
    return found


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "shard.zarr"
    with ShardWriter(path, attributes={"stride": {"layer1": 4}, "note": "ä"}) as writer:
        assert fill(writer) == KEYS
        assert not path.exists()
    check(path)
    reader = ShardReader(path)
    assert reader.keys() == KEYS
    assert reader.store_attributes == {"stride": {"layer1": 4}, "note": "ä"}
    assert os.listdir(path.parent) == ["shard.zarr"]


def test_any_zarr_reader_can_open_it(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "shard.zarr.zip") as writer:
        writer.add("a", "t", {"map": np.eye(3)}, {"stride": 8})
    root = zarr.open_group(zarr.storage.ZipStore(tmp_path / "shard.zarr.zip"), mode="r")
    assert root.metadata.zarr_format == 3
    ((_, group),) = root.groups()
    assert group.attrs["key"] == "a"
    assert group["map"].dtype == np.float16
    assert group["map"].chunks == (3, 3)
    np.testing.assert_array_equal(group["map"][...], np.eye(3))


def test_float32_keeps_every_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    with ShardWriter(tmp_path / "s", dtype="float32") as writer:
        writer.add("a", "t", {"map": values}, {})
    np.testing.assert_array_equal(ShardReader(tmp_path / "s").read("a", "map"), values)


def test_any_layout_shape_and_type_of_array(tmp_path: Path) -> None:
    arrays = {
        "zeros": np.zeros((2, 3)),
        "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "steps": np.arange(20.0)[::3],
        "integers": np.arange(6, dtype=np.uint8).reshape(1, 2, 3),
        "big_endian": np.arange(4, dtype=">f4"),
        "five": np.ones((1, 2, 1, 2, 1)),
    }
    with ShardWriter(tmp_path / "s") as writer:
        writer.add("a", "t", arrays, {})
        assert writer.has("a", "t")
    for name, expected in arrays.items():
        np.testing.assert_array_equal(ShardReader(tmp_path / "s").read("a", name), expected)


def test_any_key_has_its_own_entry(tmp_path: Path) -> None:
    keys = ["a/b", "a", "A", "a b", "a_b", ".", "..", "", "/", "zarr.json", "ä/ö", "%2F", "x" * 1000, "x" * 1001]
    with ShardWriter(tmp_path / "s") as writer:
        for index, key in enumerate(keys):
            writer.add(key, "t", {"map": np.full((1, 1), index)}, {})
    reader = ShardReader(tmp_path / "s")
    assert reader.keys() == keys
    assert [float(reader.read(key, "map")[0, 0]) for key in keys] == list(range(len(keys)))
    assert {path.name.casefold() for path in tmp_path.iterdir()} == {"s"}


def test_an_empty_shard_is_whole(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "s"):
        pass
    assert ShardReader(tmp_path / "s").keys() == []


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([[1, np.nan]], "array 'map' of 'image.png' holds NaN or infinity"),
        ([[1, -np.inf]], "array 'map' of 'image.png' holds NaN or infinity"),
        ([[1, -7e4]], "array 'map' of 'image.png' holds 70000, beyond the range of float16"),
        ([[]], r"array 'map' of 'image.png' is empty: its shape is \(1, 0\)"),
    ],
)
def test_values_that_cannot_be_stored_are_named(tmp_path: Path, values: list[list[float]], part: str) -> None:
    with pytest.raises(FirstsightError, match=part), ShardWriter(tmp_path / "s") as writer:
        writer.add("image.png", "t", {"map": np.array(values)}, {})
    assert not (tmp_path / "s").exists()
    with ShardWriter(tmp_path / "s") as writer:
        assert not writer.has("image.png", "t")


def test_a_numbered_layer_names_an_array(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "s") as writer:
        writer.add("a", "t", {f"features.{position}": np.full(2, position) for position in (0, 12)}, {})
    reader = ShardReader(tmp_path / "s")
    np.testing.assert_array_equal(reader.read("a", "features.0"), [0, 0])
    np.testing.assert_array_equal(reader.read("a", "features.12"), [12, 12])


@pytest.mark.parametrize("name", ["", "a/b", "..", "ä", "zarr.json", "__a", "a.", ".1", "a.1.json"])
def test_unusable_names_of_arrays_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(FirstsightError, match="cannot name an array"), ShardWriter(tmp_path / "s") as writer:
        writer.add("a", "t", {name: np.ones(2)}, {})


def test_an_unknown_dtype_is_named(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match="unknown dtype 'int8'"):
        ShardWriter(tmp_path / "s", dtype="int8")


def test_an_exception_leaves_what_is_done_for_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "s"
    leave_half_done(path, KEYS[:4])
    assert not path.exists()
    with pytest.raises(FirstsightError, match=r"s' does not exist"):
        ShardReader(path)
    before = files(tmp_path / "s.partial")
    assert len(before) == 4
    with ShardWriter(path) as writer:
        assert fill(writer) == KEYS[4:]
        after = files(tmp_path / "s.partial")
        assert {name: after[name] for name in before} == before
    check(path)


def test_an_entry_that_fails_is_left_out_of_the_others(tmp_path: Path) -> None:
    leave_half_done(tmp_path / "s")
    with ShardWriter(tmp_path / "s") as writer:
        fill(writer)
        with pytest.raises(FirstsightError, match="NaN"):
            writer.add(KEYS[3], "token 0", {"layer1": np.ones(2), "layer2": np.array([np.nan])}, {})
    check(tmp_path / "s", [key for key in KEYS if key != KEYS[3]])


def test_another_token_is_another_entry(tmp_path: Path) -> None:
    leave_half_done(tmp_path / "s")
    with ShardWriter(tmp_path / "s") as writer:
        assert fill(writer, version=1) == KEYS
    check(tmp_path / "s", version=1)


def test_entries_nobody_asks_for_are_dropped(tmp_path: Path) -> None:
    leave_half_done(tmp_path / "s")
    with ShardWriter(tmp_path / "s") as writer:
        assert writer.has(KEYS[1], "token 0")
        assert not writer.has(KEYS[2], "another token")
    reader = ShardReader(tmp_path / "s")
    assert reader.keys() == [KEYS[1]]
    assert len({name.partition("/")[0] for name in zipfile.ZipFile(tmp_path / "s").namelist()}) == 2
    with pytest.raises(FirstsightError, match=r"holds no entry 'tiles/image 2.png'"):
        reader.read(KEYS[2], "layer1")


def test_another_dtype_starts_afresh(tmp_path: Path) -> None:
    leave_half_done(tmp_path / "s")
    with ShardWriter(tmp_path / "s", dtype="float32") as writer:
        assert not writer.has(KEYS[0], "token 0")


def test_an_older_store_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ShardWriter(path) as writer:
        fill(writer, version=0)
    with ShardWriter(path) as writer:
        assert fill(writer, KEYS[:2], version=1) == KEYS[:2]
        check(path, version=0)
    check(path, KEYS[:2], version=1)
    assert os.listdir(tmp_path) == ["s"]


def test_a_store_is_one_file(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "s") as writer:
        fill(writer)
    assert [path.is_file() for path in tmp_path.iterdir()] == [True]


def truncate(path: Path, place: int) -> None:
    os.truncate(path, place)


def empty(path: Path, place: int) -> None:
    path.write_bytes(b"")


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)


def place_of(path: Path, pattern: str) -> int:
    """A byte in the middle of the one member whose name fits."""
    with zipfile.ZipFile(path) as archive:
        (member,) = (each for each in archive.infolist() if fnmatch(each.filename, pattern))
    return member.header_offset + 30 + len(member.filename) + member.file_size // 2


@pytest.mark.parametrize("damage", [truncate, empty, flip])
@pytest.mark.parametrize(
    "pattern", ["*image_2*/layer1/c/0/0/0", "*image_2*/layer2/c/0/0/0", "*image_2_png-????????????????/zarr.json"]
)
def test_an_entry_that_was_damaged_before_all_were_packed_is_written_again(
    tmp_path: Path, damage: Callable[..., Any], pattern: str
) -> None:
    path = tmp_path / "s"
    leave_half_done(path)
    (victim,) = (tmp_path / "s.partial").glob("*image_2*")
    damage(victim, place_of(victim, pattern))
    with ShardWriter(path) as writer:
        assert fill(writer) == [KEYS[2]]
    check(path)


@pytest.mark.parametrize("layer", ["layer1", "layer2"])
def test_damaged_entries_are_seen_and_written_again(tmp_path: Path, layer: str) -> None:
    path = tmp_path / "s"
    with ShardWriter(path) as writer:
        fill(writer)
    flip(path, place_of(path, f"*image_2*/{layer}/c/0/0/0"))
    with pytest.raises(DamagedError, match=r"s' is damaged at 'tiles/image 2.png'"):
        ShardReader(path).read(KEYS[2], layer)
    ShardReader(path).read(KEYS[3], layer)
    take_back(path)
    take_back(path)
    assert not path.exists()
    with ShardWriter(path) as writer:
        assert fill(writer) == [KEYS[2]]
    check(path)


def test_every_damaged_byte_is_seen_or_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ShardWriter(path) as writer:
        fill(writer, KEYS[:2])
    whole = path.read_bytes()
    seen = 0
    for place in range(0, len(whole), 31):
        path.write_bytes(whole)
        flip(path, place)
        try:
            check(path, KEYS[:2])
        except DamagedError:
            seen += 1
    # The members' times and permissions are never read, the metadata of groups and arrays only by other readers.
    assert seen > 50


@pytest.mark.parametrize("damage", [truncate, empty, flip])
def test_a_damaged_index_is_not_whole(tmp_path: Path, damage: Callable[..., Any]) -> None:
    path = tmp_path / "s"
    with ShardWriter(path) as writer:
        fill(writer)
    damage(path, place_of(path, "zarr.json"))
    with pytest.raises(DamagedError, match=r"s' is not a whole store"):
        ShardReader(path)
    take_back(path)
    with ShardWriter(path) as writer:
        # Where only the index is damaged, every entry is still known by its own mark.
        assert fill(writer) == ([] if damage is flip else KEYS)
    check(path)


def test_something_else_under_the_name_is_not_a_store(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an archive")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("zarr.json", "{}")
    for name in ("text", "other.zip"):
        with pytest.raises(DamagedError, match="is not a whole store"):
            ShardReader(tmp_path / name)


def test_names_that_are_not_there_are_named(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "s") as writer:
        fill(writer)
    reader = ShardReader(tmp_path / "s")
    with pytest.raises(FirstsightError, match=r"holds no 'layer9' of 'tiles/image 0.png', only layer1, layer2"):
        reader.read(KEYS[0], "layer9")
    for method in (reader.names, reader.attributes):
        with pytest.raises(FirstsightError, match="holds no entry 'other'"):
            method("other")


def test_a_second_writer_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstsight.storage.locks.LOCK_SECONDS", 0.3)
    with ShardWriter(tmp_path / "s") as writer:
        with (
            pytest.raises(FirstsightError, match=r"another process is writing .*s.partial"),
            ShardWriter(tmp_path / "s"),
        ):
            pass
        fill(writer)
    check(tmp_path / "s")
    with ShardWriter(tmp_path / "s") as writer:
        fill(writer)


def test_a_large_array_is_cut_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstsight.storage.zarr_archive._CHUNK_BYTES", 200)
    values = np.random.default_rng(1).random((5, 7, 8)).astype(np.float16)
    with ShardWriter(tmp_path / "s") as writer:
        writer.add("a", "t", {"map": values}, {})
    assert len([name for name in zipfile.ZipFile(tmp_path / "s").namelist() if "/c/" in name]) == 5
    np.testing.assert_array_equal(ShardReader(tmp_path / "s").read("a", "map"), values)


def entries(partial: Path, version: int) -> dict[str, str]:
    """The files of the entries that bear the mark of a version, by key."""
    found = {}
    for path in partial.glob("*-*.zip"):
        with zipfile.ZipFile(path) as archive:
            attributes = json.loads(archive.read(f"{path.stem}/zarr.json"))["attributes"]
        if attributes["token"] == f"token {version}":
            found[attributes["key"]] = path.name
    return found


WRITE_FOR_EVER = """
import sys
sys.path.insert(0, sys.argv[2])
from test_store import KEYS, Path, ShardReader, ShardWriter, fill
path = Path(sys.argv[1])
print("ready", flush=True)
version = int(sys.argv[3])
while True:
    version += 1
    with ShardWriter(path) as writer:
        fill(writer, version=version)
    print(version, flush=True)
"""


def test_killed_at_any_moment_nothing_half_written_reads_as_whole(tmp_path: Path) -> None:
    """A process that writes store after store under one name is killed again and again, at random moments."""
    path = tmp_path / "s"
    chance = random.Random(0)
    seen_partial = seen_whole = version = 0
    for _ in range(10):
        arguments = [sys.executable, "-c", WRITE_FOR_EVER, str(path), str(Path(__file__).parent), str(version)]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            reported = [int(line) for line in process.stdout.read().split()]
        finished = reported[-1] if reported else version
        # The store may have been renamed just before the process could say so.
        if path.exists():
            seen_whole += 1
            written = ShardReader(path).attributes(KEYS[0])["version"]
            assert written in (finished, finished + 1)
            check(path, version=written)
            version = written
        partial = tmp_path / "s.partial"
        if partial.exists():
            seen_partial += 1
            done = entries(partial, version + 1)
            before = files(partial)
            with ShardWriter(path) as writer:
                assert not done.keys() & set(fill(writer, version=version + 1))
                after = files(partial)
                assert all(after[name] == before[name] for name in done.values())
            version += 1
            check(path, version=version)
    assert seen_partial >= 4
    assert seen_whole >= 4
    with ShardWriter(path) as writer:
        fill(writer, version=0)
    assert os.listdir(tmp_path) == ["s"]


def test_a_store_that_cannot_be_read_now_is_not_called_damaged(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ShardWriter(path) as writer:
        fill(writer)
    path.unlink()
    # A link to itself fails with ELOOP, whoever reads it.
    path.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links") as caught:
        ShardReader(path)
    assert not isinstance(caught.value, FirstsightError)


def test_a_store_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with ShardWriter(path) as writer:
        fill(writer, version=0)
    reader = ShardReader(path)
    with ShardWriter(path) as writer:
        fill(writer, version=1)
    assert reader.attributes(KEYS[0])["version"] == 1
    check(path, version=1)


def test_threads_read_at_the_same_time(tmp_path: Path) -> None:
    for name in range(40):
        with ShardWriter(tmp_path / str(name)) as writer:
            fill(writer, version=name)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: check(tmp_path / str(name), version=name), list(range(40)) * 3))
