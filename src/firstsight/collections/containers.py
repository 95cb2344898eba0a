"""HDF5 files and Zarr folders, opened so that nothing in them can lead out of them or run.

HDF5 links other than hard links, external and virtual data sets, types other than numbers, and Zarr codecs that are not
in `CODECS` are refused with a `FirstsightError`, which does not name the file.
"""

import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

import h5py

from firstsight.errors import FirstsightError

CODECS = frozenset(
    {
        *("adler32", "astype", "bitround", "blosc", "bytes", "bz2", "crc32", "crc32c", "delta", "fixedscaleoffset"),
        *("fletcher32", "gzip", "lz4", "lzma", "packbits", "quantize", "sharding_indexed", "shuffle", "transpose"),
        *("zlib", "zstd"),
    }
)
"""Codecs of Zarr and numcodecs that only turn bytes into numbers."""

CHUNK_LIMIT = 10_000
"""The most chunks of one image that are looked at one by one."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FirstsightError("not a file")
    # Nothing is written, so a file system that cannot lock files will do.
    with h5py.File(path, "r", locking="best-effort") as file:
        yield file


def find_hdf5(file: h5py.File, name: str) -> Any:
    """A group or data set by its absolute name, following hard links only: others may lead out of the file."""
    member: Any = file
    for part in filter(None, name.split("/")):
        link = member.get(part, getlink=True) if isinstance(member, h5py.Group) else None
        if link is None:
            raise FirstsightError(f"no data set {name}" + _there_are(member if isinstance(member, h5py.Group) else ()))
        if not isinstance(link, h5py.HardLink):
            raise FirstsightError(f"data set {name} is a link, which is not followed")
        member = member[part]
    return member


def check_hdf5_data(member: Any, name: str) -> h5py.Dataset:
    """The member itself, if it is a data set of numbers whose values lie in this file."""
    if not isinstance(member, h5py.Dataset):
        raise FirstsightError(f"{name} is no data set")
    if member.external or member.is_virtual:
        raise FirstsightError(f"data set {name} has its values in other files, which are not opened")
    _check_type(member.dtype, name)
    return member


def open_zarr_array(path: Path, name: str) -> Any:
    """Open an array inside a Zarr folder for reading, if its codecs are harmless and its values are numbers."""
    # Importing Zarr takes as long as planning a run does.
    import zarr  # noqa: PLC0415

    folder = zarr_folder(path, name)
    if not is_zarr_array(folder):
        raise FirstsightError(
            f"no array {name}" + _there_are(zarr_members(folder.parent) if os.path.isdir(folder.parent) else ())
        )
    version, file = (3, "zarr.json") if os.path.isfile(folder / "zarr.json") else (2, ".zarray")
    _check_codecs(json.loads((folder / file).read_text(encoding="utf-8")), name)
    array = zarr.open_array(store=folder, mode="r", zarr_format=version)
    _check_type(array.dtype, name)
    return array


def _there_are(members: Iterable[str]) -> str:
    names = sorted(members)[:10]
    return f"; there are {', '.join(names)}" if names else ""


def zarr_folder(path: Path, name: str) -> Path:
    """The folder of a member, given its absolute name."""
    return path / name.lstrip("/")


def is_zarr_array(folder: Path) -> bool:
    """Whether a folder is a Zarr array, of version 2 or 3."""
    if os.path.isfile(folder / "zarr.json"):
        metadata = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        return isinstance(metadata, Mapping) and metadata.get("node_type") == "array"
    return os.path.isfile(folder / ".zarray")


def zarr_members(folder: Path) -> list[str]:
    """The names of the folders in a Zarr group, without hidden ones and links."""
    with os.scandir(folder) as scan:
        return [entry.name for entry in scan if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)]


def zarr_chunks(folder: Path, index: int | None) -> list[Path]:
    """The files of the chunks that hold one image of an array, or the whole array if ``index`` is None.

    If there would be more than `CHUNK_LIMIT`, the folder is returned instead.

    Raises:
        OSError, ValueError, LookupError, TypeError: the array's metadata is damaged.
    """
    if os.path.isfile(folder / "zarr.json"):
        metadata = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        sizes = metadata["chunk_grid"]["configuration"]["chunk_shape"]
        encoding = metadata["chunk_key_encoding"]
        is_default = encoding["name"] == "default"
        separator = (encoding.get("configuration") or {}).get("separator", "/" if is_default else ".")
        prefix = f"c{separator}" if is_default else ""
    else:
        metadata = json.loads((folder / ".zarray").read_text(encoding="utf-8"))
        sizes, separator, prefix = metadata["chunks"], metadata.get("dimension_separator", "."), ""
    counts = [range(-(-length // size)) for length, size in zip(metadata["shape"], sizes, strict=True)]
    if index is not None:
        counts[0] = range(index // sizes[0], index // sizes[0] + 1)
    if math.prod(map(len, counts)) > CHUNK_LIMIT:
        return [folder]
    return [folder / (prefix + separator.join(map(str, position))) for position in product(*counts)]


def _check_codecs(metadata: Any, name: str) -> None:
    """Refuse codecs that are not known to be harmless: some codecs of numcodecs unpickle what they read."""
    if not isinstance(metadata, Mapping):
        raise FirstsightError(f"array {name} is not described by a mapping")
    given = [*(metadata.get("codecs") or []), *(metadata.get("filters") or []), metadata.get("compressor")]
    for codec in filter(None, given):
        if not isinstance(codec, Mapping):
            raise FirstsightError(f"array {name} has a codec that is not a mapping")
        # Version 2 identifies a codec by its id, version 3 by its name.
        for identifier in [str(codec[key]) for key in ("id", "name") if key in codec] or ["none"]:
            if identifier.removeprefix("numcodecs.") not in CODECS:
                raise FirstsightError(f"array {name} has the codec {identifier[:40]!r}, which is not used here")
        # A sharding codec contains further codecs.
        inner = codec.get("configuration") or {}
        _check_codecs({"codecs": [*(inner.get("codecs") or []), *(inner.get("index_codecs") or [])]}, name)


def _check_type(dtype: Any, name: str) -> None:
    if dtype.kind not in "buif":
        raise FirstsightError(f"{name} holds values of type {dtype}, not numbers")
