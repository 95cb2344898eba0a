"""HDF5 files and Zarr folders, opened so that nothing in them can lead out of them or run.

HDF5 links other than plain ones, external and virtual data sets, types other than numbers, and Zarr codecs that are not
among `CODECS` are refused. All of it raises a `FirstsightError`, which does not name the file.
"""

import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
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
"""Codecs of Zarr and numcodecs that turn bytes into numbers and do nothing else."""

CHUNK_LIMIT = 10_000
"""Most chunks of one image that are looked at one by one."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise FirstsightError("not a file")
    # A file system that cannot lock files need not: nothing is written.
    with h5py.File(path, "r", locking="best-effort") as file:
        yield file


def find_hdf5(file: h5py.File, name: str) -> Any:
    """A group or data set by its absolute name, following plain links only: others may lead out of the file."""
    found: Any = file
    for part in filter(None, name.split("/")):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            there = f"; there are {', '.join(sorted(found)[:10])}" if isinstance(found, h5py.Group) and found else ""
            raise FirstsightError(f"no data set {name}{there}")
        if not isinstance(link, h5py.HardLink):
            raise FirstsightError(f"data set {name} is a link, which is not followed")
        found = found[part]
    return found


def check_hdf5_data(found: Any, name: str) -> h5py.Dataset:
    """The data set that was found, if it is one of numbers whose values lie in this file."""
    if not isinstance(found, h5py.Dataset):
        raise FirstsightError(f"{name} is no data set")
    if found.external or found.is_virtual:
        raise FirstsightError(f"data set {name} has its values in other files, which are not opened")
    _check_type(found.dtype, name)
    return found


def open_zarr_array(path: Path, name: str) -> Any:
    """Open an array inside a Zarr folder for reading, if its codecs are harmless and it holds numbers."""
    # Importing Zarr takes as long as planning a run does.
    import zarr  # noqa: PLC0415

    folder = zarr_folder(path, name)
    if not is_zarr_array(folder):
        raise FirstsightError(f"no array {name}" + _there_are(folder.parent))
    version, file = (3, "zarr.json") if os.path.isfile(folder / "zarr.json") else (2, ".zarray")
    _check_codecs(json.loads((folder / file).read_text(encoding="utf-8")), name)
    array = zarr.open_array(store=folder, mode="r", zarr_format=version)
    _check_type(array.dtype, name)
    return array


def _there_are(folder: Path) -> str:
    names = zarr_members(folder) if os.path.isdir(folder) else []
    return f"; there are {', '.join(sorted(names)[:10])}" if names else ""


def zarr_folder(path: Path, name: str) -> Path:
    """The folder of a member, by its absolute name."""
    return path / name.lstrip("/")


def is_zarr_array(folder: Path) -> bool:
    """Whether a folder is a Zarr array, of version 2 or 3."""
    if os.path.isfile(folder / "zarr.json"):
        described = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        return isinstance(described, Mapping) and described.get("node_type") == "array"
    return os.path.isfile(folder / ".zarray")


def zarr_members(folder: Path) -> list[str]:
    """Names of the folders in a Zarr group; hidden ones and links are left out."""
    with os.scandir(folder) as scan:
        return [entry.name for entry in scan if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)]


def zarr_chunks(folder: Path, index: int | None) -> list[Path]:
    """The files of the chunks that hold one image of an array, or with ``index`` None all of it.

    Where there would be more than `CHUNK_LIMIT` it is the folder instead.

    Raises:
        OSError, ValueError, LookupError, TypeError: the description of the array is damaged.
    """
    if os.path.isfile(folder / "zarr.json"):
        described = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
        sizes = described["chunk_grid"]["configuration"]["chunk_shape"]
        encoding = described["chunk_key_encoding"]
        is_default = encoding["name"] == "default"
        part = (encoding.get("configuration") or {}).get("separator", "/" if is_default else ".")
        prefix = f"c{part}" if is_default else ""
    else:
        described = json.loads((folder / ".zarray").read_text(encoding="utf-8"))
        sizes, part, prefix = described["chunks"], described.get("dimension_separator", "."), ""
    counts = [range(-(-length // size)) for length, size in zip(described["shape"], sizes, strict=True)]
    if index is not None:
        counts[0] = range(index // sizes[0], index // sizes[0] + 1)
    if math.prod(map(len, counts)) > CHUNK_LIMIT:
        return [folder]
    return [folder / (prefix + part.join(map(str, place))) for place in product(*counts)]


def _check_codecs(described: Any, name: str) -> None:
    """Refuse codecs that are not known to be harmless: some of numcodecs unpickle what they read."""
    if not isinstance(described, Mapping):
        raise FirstsightError(f"array {name} is not described by a mapping")
    given = [*(described.get("codecs") or []), *(described.get("filters") or []), described.get("compressor")]
    for codec in filter(None, given):
        if not isinstance(codec, Mapping):
            raise FirstsightError(f"array {name} has a codec that is not a mapping")
        # Version 2 goes by the id, version 3 by the name.
        for called in [str(codec[key]) for key in ("id", "name") if key in codec] or ["none"]:
            if called.removeprefix("numcodecs.") not in CODECS:
                raise FirstsightError(f"array {name} has the codec {called[:40]!r}, which is not used here")
        # What is sharded has codecs of its own.
        inner = codec.get("configuration") or {}
        _check_codecs({"codecs": [*(inner.get("codecs") or []), *(inner.get("index_codecs") or [])]}, name)


def _check_type(dtype: Any, name: str) -> None:
    if dtype.kind not in "buif":
        raise FirstsightError(f"{name} holds values of type {dtype}, not numbers")
