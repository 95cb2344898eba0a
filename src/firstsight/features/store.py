"""A Zarr v3 store of the maps of one shard, feature maps and anomaly maps alike, that is whole or is not there.

On disk a shard is a Zarr group with one subgroup an entry (an image) and one array a map. It grows under the name
``<path>.partial``; an entry's mark (its token and the checksums of its arrays) is written after its arrays, the store's
mark after all entries, and only then is the store renamed to ``path``. Zarr itself replaces single files atomically. So
a process may be killed at any moment: nothing half-written bears the final name, and the next writer keeps every entry
that is whole.
"""

import errno
import fcntl
import hashlib
import math
import os
import re
import shutil
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from firstsight.errors import DamagedError, FirstsightError

_FORMAT = 1
_CHUNK_BYTES = 64 * 2**20
_COMPRESSION_LEVEL = 1
_LOCK_SECONDS = 10.0


class ShardWriter:
    """Writes a shard's store entry by entry, and continues one that a killed process left; use it in a ``with`` block.

    On a clean exit the store is renamed to ``path`` (an older one is taken away first) and holds exactly the entries
    that this writer was asked about with ``has`` (and had) or was given with ``add``, in that order. On an exception,
    or when the process is killed, the entries done so far stay in ``<path>.partial`` for the next writer.

    Args:
        path: final name of the store; its folder is made.
        dtype: ``float16`` or ``float32``, the type of the arrays on disk.
        attributes: of the whole store, anything JSON can hold.

    Raises:
        FirstsightError: another ``dtype``; another process that is writing this store.
    """

    def __init__(self, path: Path, *, dtype: str = "float16", attributes: Mapping[str, Any] | None = None) -> None:
        if dtype not in ("float16", "float32"):
            raise FirstsightError(f"unknown dtype {dtype!r} of a store: choose float16 or float32")
        self.path = Path(path)
        self.dtype = dtype
        self._attributes = dict(attributes or {})
        self._partial = self.path.with_name(self.path.name + ".partial")
        self._discarded = self.path.with_name(self.path.name + ".discarded")
        self._keys: dict[str, None] = {}

    def __enter__(self) -> Self:
        self._lock = _lock(self._partial)
        try:
            header = {"format": _FORMAT, "dtype": self.dtype}
            found = _root_attributes(self._partial)
            if any(found.get(name) != value for name, value in header.items()):
                for child in self._partial.iterdir():
                    _remove(child)
            zarr.open_group(self._partial, mode="a").update_attributes({**header, "whole": False})
            _remove(self._discarded)
        except BaseException:
            os.close(self._lock)
            raise
        return self

    def has(self, key: str, token: str) -> bool:
        """Whether this entry is whole in the store, undamaged, and was written with the same token."""
        try:
            mark = _read_mark(self._partial, key)
            whole: bool = mark["token"] == token
            for name in mark["arrays"] if whole else ():
                _read_array(self._partial, key, name, mark)
        # Whatever a damaged entry fails with, in JSON, in Zarr or in zstd, it is to be written again.
        except Exception:
            return False
        if whole:
            self._keys[key] = None
        return whole

    def add(self, key: str, token: str, arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any]) -> None:
        """Write one entry, in the place of an older one with the same key.

        Args:
            key: any text, such as the image's identity in its collection.
            token: says what the entry was made from (such as the image's sha256), for ``has``.
            arrays: by name; any shape but an empty one, real values within the range of the store's ``dtype``.
            attributes: of the entry, anything JSON can hold.

        Raises:
            FirstsightError: NaN, infinity or a value beyond the range of ``dtype``, an empty array, an unusable name.
        """
        self._keys.pop(key, None)
        group = _group_name(key)
        _remove(self._partial / group)
        checksums = {}
        for name, array in arrays.items():
            stored = _to_stored(array, self.dtype, f"array {name!r} of {key!r}")
            if not re.fullmatch(r"[a-zA-Z][\w-]*(\.\d+)?", name, re.ASCII):
                raise FirstsightError(
                    f"{name!r} cannot name an array: a letter, then letters, digits, _ and -, then perhaps .number"
                )
            checksums[name] = zlib.crc32(stored.data)
            zarr.create_array(
                self._partial,
                name=f"{group}/{name}",
                data=stored,
                chunks=chunk_shape(stored.shape, stored.itemsize, _CHUNK_BYTES),
                compressors=ZstdCodec(level=_COMPRESSION_LEVEL, checksum=True),
                config={"write_empty_chunks": True},
            )
        mark = {"key": key, "token": token, "arrays": checksums, "attributes": dict(attributes)}
        zarr.open_group(self._partial, path=group, mode="a").update_attributes(mark)
        self._keys[key] = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            os.close(self._lock)

    def _finish(self) -> None:
        wanted = {"zarr.json", *map(_group_name, self._keys)}
        for child in self._partial.iterdir():
            if child.name not in wanted:
                _remove(child)
        mark = {"whole": True, "keys": list(self._keys), "attributes": self._attributes}
        zarr.open_group(self._partial, mode="r+").update_attributes(mark)
        _flush(self._partial)
        if self.path.exists():
            self.path.rename(self._discarded)
        self._partial.rename(self.path)
        _remove(self._discarded)


class ShardReader:
    """Reads a store that a ``ShardWriter`` finished.

    Args:
        path: the store.

    Raises:
        FirstsightError: no store under this name; `DamagedError`: one without its final mark.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        root = _root_attributes(self.path)
        if not (root.get("whole") is True and root.get("format") == _FORMAT):
            if self.path.exists():
                raise DamagedError(f"{str(self.path)!r} is not a whole store of maps", self.path)
            raise FirstsightError(f"{str(self.path)!r} does not exist: run the stage that writes it again")
        self.store_attributes: dict[str, Any] = root["attributes"]
        self._keys: list[str] = root["keys"]

    def keys(self) -> list[str]:
        """The entries, in the order they were written."""
        return list(self._keys)

    def names(self, key: str) -> list[str]:
        """The names of an entry's arrays, in the order they were written."""
        return list(self._mark(key)["arrays"])

    def attributes(self, key: str) -> dict[str, Any]:
        """The attributes of an entry."""
        return dict(self._mark(key)["attributes"])

    def read(self, key: str, name: str) -> NDArray[np.float32]:
        """One array of an entry, as float32; FirstsightError where there is none, DamagedError where it is damaged."""
        mark = self._mark(key)
        if name not in mark["arrays"]:
            raise FirstsightError(f"{str(self.path)!r} holds no {name!r} of {key!r}, only {', '.join(mark['arrays'])}")
        try:
            return _read_array(self.path, key, name, mark).astype(np.float32)
        except Exception as error:
            _pass_on(error)
            raise self._damaged(key) from error

    def _mark(self, key: str) -> dict[str, Any]:
        if key not in self._keys:
            raise FirstsightError(f"{str(self.path)!r} holds no entry {key!r}")
        try:
            return _read_mark(self.path, key)
        except Exception as error:
            _pass_on(error)
            raise self._damaged(key) from error

    def _damaged(self, key: str) -> DamagedError:
        return DamagedError(f"{str(self.path)!r} is damaged at {key!r}", self.path)


def take_back(path: Path) -> None:
    """Take a damaged store away, so that it is made again; the next writer keeps what is whole in it."""
    partial = path.with_name(path.name + ".partial")
    if path.exists() and not partial.exists():
        path.rename(partial)
    # Another job may have been here first.
    _remove(path)


def chunk_shape(shape: tuple[int, ...], itemsize: int, limit: int) -> tuple[int, ...]:
    """The shape of an array's chunks: all of it, or cut along its first axes into pieces of at most ``limit`` bytes."""
    chunks = list(shape)
    for axis in range(len(chunks)):
        rest = math.prod(chunks[axis + 1 :]) * itemsize
        chunks[axis] = max(1, min(chunks[axis], limit // rest))
        if chunks[axis] > 1:
            break
    return tuple(chunks)


def _pass_on(error: Exception) -> None:
    """Raise what says that a file cannot be read now, not that it is damaged; a file that is missing is damage."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _to_stored(array: NDArray[Any], dtype: str, where: str) -> NDArray[Any]:
    values = np.asarray(array)
    if values.size == 0:
        raise FirstsightError(f"{where} is empty: its shape is {values.shape}")
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(values, dtype=dtype)
    if not np.isfinite(stored).all():
        if not np.isfinite(values).all():
            raise FirstsightError(f"{where} holds NaN or infinity")
        raise FirstsightError(f"{where} holds {np.abs(values).max():g}, beyond the range of {dtype}")
    return stored


def _group_name(key: str) -> str:
    """A name for an entry's folder: readable, safe on every file system, different for different keys."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", key)[-60:]
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _read_mark(store: Path, key: str) -> dict[str, Any]:
    mark = dict(zarr.open_group(store, path=_group_name(key), mode="r").attrs)
    if mark["key"] != key:
        raise ValueError(f"the entry of {key!r} is marked {mark['key']!r}")
    return mark


def _read_array(store: Path, key: str, name: str, mark: Mapping[str, Any]) -> NDArray[Any]:
    array = np.ascontiguousarray(zarr.open_array(store, path=f"{_group_name(key)}/{name}", mode="r")[...])
    # A chunk that is missing would read as zeros: only the checksum tells.
    if zlib.crc32(array.data) != mark["arrays"][name]:
        raise ValueError(f"the checksum of {name!r} of {key!r} does not fit")
    return array


def _root_attributes(store: Path) -> dict[str, Any]:
    """The attributes of a store; empty where there is none or its root cannot be read."""
    try:
        return dict(zarr.open_group(store, mode="r").attrs)
    # Damaged metadata fails in many ways; all of them mean that the store bears no mark.
    except Exception as error:
        _pass_on(error)
        return {}


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(store: Path) -> None:
    """Have every file and folder of a store on the disk, so that a power cut leaves no holes under its final name."""
    for folder, _, files in os.walk(store):
        for name in (*files, "."):
            handle = os.open(os.path.join(folder, name), os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _lock(folder: Path) -> int:
    """Make a folder and lock it against other writers until the returned handle is closed or this process is gone.

    A killed process may take a moment to be gone, so a lock that is held is tried again for some seconds.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Some network file systems have no locks for folders: there the workflow alone keeps writers apart.
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                return handle
            os.close(handle)
            if time.monotonic() > deadline:
                raise FirstsightError(f"another process is writing {str(folder)!r}: wait for it, or stop it") from error
            time.sleep(0.1)
            continue
        # The writer before may have renamed the folder between opening and locking it.
        if folder.exists() and folder.stat().st_ino == os.fstat(handle).st_ino:
            return handle
        os.close(handle)
