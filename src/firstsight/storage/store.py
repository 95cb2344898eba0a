"""A store of the maps of one shard, feature maps and anomaly maps alike, that is whole or is not there.

A finished store is one file, a Zarr v3 group in a ZIP archive, with one subgroup an entry (an image), one array a map,
and an index of all in the attributes of its root. While it grows, each finished entry is a small archive of its own in
the folder ``<path>.partial``, written under another name and renamed; in the end they are packed into one, which is
renamed to ``path``. So a process may be killed at any moment: nothing half-written bears the final name, and the next
writer keeps every entry that is whole.
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
    """Writes a shard's store entry by entry, and continues one that a killed process left; use it in a ``with`` block.

    On a clean exit the store stands under ``path`` (in the place of an older one) and holds exactly the entries that
    this writer was asked about with ``has`` (and had) or was given with ``add``, in that order. On an exception, or
    when the process is killed, the entries done so far stay in ``<path>.partial`` for the next writer.

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
        self._partial = _partial(self.path)
        self._marks: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(locked_folder(self._partial))
            self._taken_back = _open(self._partial / _TAKEN_BACK)
            if self._taken_back:
                stack.enter_context(self._taken_back)
            self._at_exit = stack.pop_all()
        return self

    def has(self, key: str, token: str) -> bool:
        """Whether this entry is whole, undamaged, and was written with the same token."""
        entry = _open(self._entry(key))
        mark = self._kept(entry, key, token)
        if entry:
            entry.close()
        if mark is None:
            mark = self._kept(self._taken_back, key, token)
            if mark is None:
                self._marks.pop(key, None)
                return False
            assert self._taken_back
            self._write(key, list(read_members(self._taken_back, _group_name(key))))
        self._marks[key] = mark
        return True

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
        self._marks.pop(key, None)
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
        mark = {
            "format": _FORMAT,
            "dtype": self.dtype,
            "key": key,
            "token": token,
            "arrays": described,
            "attributes": dict(attributes),
        }
        self._write(key, [group_member(group, mark), *members])
        self._marks[key] = mark

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

    def _kept(self, archive: zipfile.ZipFile | None, key: str, token: str) -> dict[str, Any] | None:
        """The mark of an entry that is whole in an archive and fits this writer; None where there is none."""
        if archive is None:
            return None
        group = _group_name(key)
        try:
            mark = read_attributes(archive, group)
            wanted = {"format": _FORMAT, "dtype": self.dtype, "key": key, "token": token}
            if any(mark[name] != value for name, value in wanted.items()):
                return None
            for name, about in mark["arrays"].items():
                read_array(archive, f"{group}/{name}", about, self.dtype)
            return mark
        # Whatever a damaged entry fails with, in ZIP, in JSON or in zstd, it is to be written again.
        except Exception:
            return None

    def _finish(self) -> None:
        packed = self._partial / "packed"
        write_archive(packed, self._all_members())
        # On the disk before it is renamed, so that a power cut leaves no holes under its final name.
        _flush(packed)
        os.replace(packed, self.path)
        _flush(self.path.parent)
        shutil.rmtree(self._partial)

    def _all_members(self) -> Iterator[Member]:
        for key in self._marks:
            with zipfile.ZipFile(self._entry(key)) as archive:
                yield from read_members(archive, _group_name(key))
        index = {"format": _FORMAT, "dtype": self.dtype, "attributes": self._attributes, "entries": self._marks}
        yield group_member("", index)


class ShardReader:
    """Reads a store that a ``ShardWriter`` finished.

    Args:
        path: the store.

    Raises:
        FirstsightError: no store under this name; `DamagedError`: it is not whole.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        self._open()

    @property
    def store_attributes(self) -> dict[str, Any]:
        """The attributes of the whole store."""
        return dict(self._open()[1]["attributes"])

    def keys(self) -> list[str]:
        """The entries, in the order they were written."""
        return list(self._open()[1]["entries"])

    def names(self, key: str) -> list[str]:
        """The names of an entry's arrays, in the order they were written."""
        return list(self._mark(key)["arrays"])

    def shape(self, key: str, name: str) -> tuple[int, ...]:
        """The shape of one of an entry's arrays."""
        return tuple(self._mark(key)["arrays"][name]["shape"])

    def attributes(self, key: str) -> dict[str, Any]:
        """The attributes of an entry."""
        return dict(self._mark(key)["attributes"])

    def read(self, key: str, name: str) -> NDArray[np.float32]:
        """One array of an entry, as float32; FirstsightError where there is none, DamagedError where it is damaged."""
        mark = self._mark(key)
        if name not in mark["arrays"]:
            raise FirstsightError(f"{str(self.path)!r} holds no {name!r} of {key!r}, only {', '.join(mark['arrays'])}")
        archive, _ = self._open()
        try:
            values = read_array(archive, f"{_group_name(key)}/{name}", mark["arrays"][name], mark["dtype"])
        except Exception as error:
            if not is_damage(error):
                raise
            raise DamagedError(f"{str(self.path)!r} is damaged at {key!r}", self.path) from error
        return values.astype(np.float32, copy=False)

    def _mark(self, key: str) -> dict[str, Any]:
        mark: dict[str, Any] | None = self._open()[1]["entries"].get(key)
        if mark is None:
            raise FirstsightError(f"{str(self.path)!r} holds no entry {key!r}")
        return mark

    def _open(self) -> tuple[zipfile.ZipFile, dict[str, Any]]:
        try:
            archive, index = open_archive(self.path)
            if index["format"] == _FORMAT:
                return archive, index
        except FileNotFoundError as error:
            raise FirstsightError(f"{str(self.path)!r} does not exist: run the stage that writes it again") from error
        # Damaged archives fail in many ways; all of them mean that the store bears no index.
        except Exception as error:
            if not is_damage(error):
                raise
        raise DamagedError(f"{str(self.path)!r} is not a whole store of maps", self.path)


def take_back(path: Path) -> None:
    """Take a damaged store away, so that it is made again; the next writer keeps what is whole in it."""
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
    """The archive, open for reading; None where there is none, or none that is whole."""
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


def _flush(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
