"""The store of one shard's maps, feature maps and anomaly maps alike: it is either complete or not there.

A finished store is one file, a Zarr v3 group in a ZIP archive, with one subgroup per entry (an image), one array per
map, and an index of them all in the attributes of the root. While the store grows, each finished entry is a small
archive in the folder ``<path>.partial``, written under another name and renamed; in the end all entries are packed into
one file, which is renamed to ``path``. So a process may be killed at any moment: nothing half-written ever has the
final name, and the next writer keeps every entry that is complete.
"""

import hashlib
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.archives import is_damage
from firstsight.storage.locks import locked_folder
from firstsight.storage.replacing import move_into_place
from firstsight.storage.zarr_archive import (
    Member,
    array_members,
    describe_array,
    group_member,
    open_archive,
    read_array,
    read_attributes,
    read_members,
    write_archive,
)

_FORMAT = 2
_TAKEN_BACK = "taken back.zip"


class ShardWriter:
    """Writes a shard's store entry by entry, and continues what a killed process left; use it in a ``with`` block.

    On a clean exit the store is at ``path`` (replacing an older one) and holds exactly the entries that ``has``
    confirmed or ``add`` wrote, in the order of those calls. On an exception, or when the process is killed, the
    entries written so far stay in ``<path>.partial`` for the next writer.

    Args:
        path: final name of the store; its folder is created.
        dtype: ``float16`` or ``float32``, the type of the arrays on disk.
        attributes: of the whole store, anything that JSON can hold.

    Raises:
        FirstsightError: another ``dtype``, or another process is writing this store.
    """

    def __init__(self, path: Path, *, dtype: str = "float16", attributes: Mapping[str, Any] | None = None) -> None:
        if dtype not in ("float16", "float32"):
            raise FirstsightError(f"unknown dtype {dtype!r} of a store: choose float16 or float32")
        self.path = Path(path)
        self.dtype = dtype
        self._attributes = dict(attributes or {})
        self._partial = _partial(self.path)
        self._index: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(locked_folder(self._partial))
            self._taken_back = _open(self._partial / _TAKEN_BACK)
            if self._taken_back:
                stack.enter_context(self._taken_back)
            self._at_exit = stack.pop_all()
        return self

    def has(self, key: str, token: str) -> bool:
        """Whether this entry is complete, undamaged and was written with the same token."""
        entry = _open(self._entry(key))
        metadata = self._matching_metadata(entry, key, token)
        if entry:
            entry.close()
        if metadata is None:
            metadata = self._matching_metadata(self._taken_back, key, token)
            if metadata is None:
                self._index.pop(key, None)
                return False
            assert self._taken_back
            self._write(key, list(read_members(self._taken_back, _group_name(key))))
        self._index[key] = metadata
        return True

    def add(self, key: str, token: str, arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any]) -> None:
        """Write one entry, replacing an older one with the same key.

        Args:
            key: any text, such as the image's identity in its collection.
            token: identifies what the entry was made from (such as the image's sha256), for ``has`` to compare.
            arrays: by name; of any shape that is not empty, with real values within the range of the store's ``dtype``.
            attributes: of the entry, anything that JSON can hold.

        Raises:
            FirstsightError: NaN, infinity or a value beyond the range of ``dtype``, an empty array, an invalid name.
        """
        self._index.pop(key, None)
        self._entry(key).unlink(missing_ok=True)
        group = _group_name(key)
        described = {}
        members: list[Member] = []
        for name, array in arrays.items():
            stored = _to_stored(array, self.dtype, f"array {name!r} of {key!r}")
            if not re.fullmatch(r"[a-zA-Z][\w-]*(\.\d+)?", name, re.ASCII):
                raise FirstsightError(
                    f"{name!r} cannot name an array: a letter, then letters, digits, _ and -, then perhaps .number"
                )
            described[name] = describe_array(stored)
            members += array_members(f"{group}/{name}", stored)
        metadata = {
            "format": _FORMAT,
            "dtype": self.dtype,
            "key": key,
            "token": token,
            "arrays": described,
            "attributes": dict(attributes),
        }
        self._write(key, [group_member(group, metadata), *members])
        self._index[key] = metadata

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._at_exit:
            if kind is None:
                self._finish()

    def _entry(self, key: str) -> Path:
        return self._partial / f"{_group_name(key)}.zip"

    def _write(self, key: str, members: list[Member]) -> None:
        writing = self._partial / "writing"
        write_archive(writing, members)
        os.replace(writing, self._entry(key))

    def _matching_metadata(self, archive: zipfile.ZipFile | None, key: str, token: str) -> dict[str, Any] | None:
        """The metadata of an entry that an archive holds complete and as this writer would write it, or None."""
        if archive is None:
            return None
        group = _group_name(key)
        try:
            metadata = read_attributes(archive, group)
            expected = {"format": _FORMAT, "dtype": self.dtype, "key": key, "token": token}
            if any(metadata[name] != value for name, value in expected.items()):
                return None
            for name, about in metadata["arrays"].items():
                read_array(archive, f"{group}/{name}", about, self.dtype)
            return metadata
        # However a damaged entry fails, in ZIP, JSON or zstd, it must be written again.
        except Exception:
            return None

    def _finish(self) -> None:
        packed = self._partial / "packed"
        write_archive(packed, self._all_members())
        move_into_place(packed, self.path)
        shutil.rmtree(self._partial)

    def _all_members(self) -> Iterator[Member]:
        for key in self._index:
            with zipfile.ZipFile(self._entry(key)) as archive:
                yield from read_members(archive, _group_name(key))
        root = {"format": _FORMAT, "dtype": self.dtype, "attributes": self._attributes, "entries": self._index}
        yield group_member("", root)


class ShardReader:
    """Reads a store that a ``ShardWriter`` finished.

    Args:
        path: the store.

    Raises:
        FirstsightError: there is no such store; `DamagedError`: it is not complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._open()

    @property
    def store_attributes(self) -> dict[str, Any]:
        """The attributes of the whole store."""
        return dict(self._open()[1]["attributes"])

    def keys(self) -> list[str]:
        """The keys of the entries, in the order in which they were written."""
        return list(self._open()[1]["entries"])

    def names(self, key: str) -> list[str]:
        """The names of an entry's arrays, in the order in which they were written."""
        return list(self._metadata(key)["arrays"])

    def shape(self, key: str, name: str) -> tuple[int, ...]:
        """The shape of one of an entry's arrays."""
        return tuple(self._metadata(key)["arrays"][name]["shape"])

    def attributes(self, key: str) -> dict[str, Any]:
        """The attributes of an entry."""
        return dict(self._metadata(key)["attributes"])

    def read(self, key: str, name: str) -> NDArray[np.float32]:
        """One array of an entry, as float32; FirstsightError if it does not exist, DamagedError if it is damaged."""
        metadata = self._metadata(key)
        if name not in metadata["arrays"]:
            raise FirstsightError(
                f"{str(self.path)!r} holds no {name!r} of {key!r}, only {', '.join(metadata['arrays'])}"
            )
        archive, _ = self._open()
        try:
            values = read_array(archive, f"{_group_name(key)}/{name}", metadata["arrays"][name], metadata["dtype"])
        except Exception as error:
            if not is_damage(error):
                raise
            raise DamagedError(f"{str(self.path)!r} is damaged at {key!r}", self.path) from error
        return values.astype(np.float32, copy=False)

    def _metadata(self, key: str) -> dict[str, Any]:
        metadata: dict[str, Any] | None = self._open()[1]["entries"].get(key)
        if metadata is None:
            raise FirstsightError(f"{str(self.path)!r} holds no entry {key!r}")
        return metadata

    def _open(self) -> tuple[zipfile.ZipFile, dict[str, Any]]:
        try:
            archive, index = open_archive(self.path)
            if index["format"] == _FORMAT:
                return archive, index
        except FileNotFoundError as error:
            raise FirstsightError(f"{str(self.path)!r} does not exist: run the stage that writes it again") from error
        # Damaged archives fail in many ways; in all of them the store has no index.
        except Exception as error:
            if not is_damage(error):
                raise
        raise DamagedError(f"{str(self.path)!r} is not a whole store of maps", self.path)


def take_back(path: Path) -> None:
    """Move a damaged store aside, so that it is made again; the next writer keeps its undamaged entries."""
    partial = _partial(path)
    partial.mkdir(exist_ok=True)
    try:
        os.replace(path, partial / _TAKEN_BACK)
    except FileNotFoundError:
        # Another job was here first.
        return


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


def _open(path: Path) -> zipfile.ZipFile | None:
    """The archive, open for reading; None if it does not exist or is incomplete."""
    try:
        return zipfile.ZipFile(path)
    except (FileNotFoundError, zipfile.BadZipFile, ValueError):
        return None


def _partial(path: Path) -> Path:
    return path.with_name(path.name + ".partial")


def _group_name(key: str) -> str:
    """A name for an entry's group: readable, safe on every file system, different for different keys."""
    readable = re.sub(r"[^A-Za-z0-9]+", "_", key)[-60:]
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
