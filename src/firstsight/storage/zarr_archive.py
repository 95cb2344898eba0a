"""Zarr v3 arrays as members of ZIP files: what a shard's store is made of.

Any Zarr library can read them. The chunks are encoded here, with the codec that Zarr itself uses: this takes a tenth of
a millisecond per array, going through Zarr's own stores about two.
"""

import json
import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numcodecs.zstd import Zstd
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

_CHUNK_BYTES = 64 * 2**20
_COMPRESSION_LEVEL = 1
_METADATA = "zarr.json"
_OPEN_ARCHIVES = 16
# A fixed time for every member, so that the same content gives the same bytes.
_TIME = (1980, 1, 1, 0, 0, 0)

Member = tuple[str, bytes]


def write_archive(path: Path, members: Iterable[Member]) -> None:
    """Write members, pairs of name and content, into a new ZIP file without compression."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members:
            information = zipfile.ZipInfo(name, _TIME)
            information.external_attr = 0o644 << 16
            archive.writestr(information, content)


def read_members(archive: zipfile.ZipFile, folder: str) -> Iterator[Member]:
    """The members of an archive that lie below one of its folders."""
    for name in archive.namelist():
        if name.startswith(f"{folder}/"):
            yield name, archive.read(name)


def group_member(folder: str, attributes: Mapping[str, Any]) -> Member:
    """The metadata member of a Zarr group with these attributes; the folder "" is the root."""
    content = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    return f"{folder}/{_METADATA}".lstrip("/"), json.dumps(content).encode()


def read_attributes(archive: zipfile.ZipFile, folder: str) -> dict[str, Any]:
    """The attributes of a Zarr group in an archive."""
    attributes: dict[str, Any] = json.loads(archive.read(f"{folder}/{_METADATA}".lstrip("/")))["attributes"]
    return attributes


def array_members(folder: str, values: NDArray[Any]) -> Iterator[Member]:
    """The members of a Zarr array with these values: its metadata and its chunks.

    Args:
        folder: of the array in the archive.
        values: C-contiguous, of any shape without a 0.
    """
    chunks = chunk_shape(values.shape, values.itemsize, _CHUNK_BYTES)
    yield f"{folder}/{_METADATA}", _array_metadata(values.shape, chunks, values.dtype.name)
    codec = Zstd(level=_COMPRESSION_LEVEL, checksum=True)
    for index, inside in _chunks(values.shape, chunks):
        chunk = values[inside]
        if chunk.shape != chunks:
            # Zarr stores the last chunk along an axis at full size.
            chunk = np.pad(chunk, [(0, size - side) for size, side in zip(chunks, chunk.shape, strict=True)])
        yield f"{folder}/{index}", codec.encode(np.ascontiguousarray(chunk))


def read_array(archive: zipfile.ZipFile, folder: str, description: Mapping[str, Any], dtype: str) -> NDArray[Any]:
    """One array of an archive.

    Args:
        folder: of the array in the archive.
        description: what `describe_array` returned for it.
        dtype: of the array.

    Raises:
        ValueError, KeyError, RuntimeError, zipfile.BadZipFile: the array is damaged.
    """
    shape = tuple(description["shape"])
    values = np.empty(shape, dtype)
    chunks = chunk_shape(shape, values.itemsize, description["chunk_bytes"])
    codec = Zstd()
    for index, inside in _chunks(shape, chunks):
        chunk = np.frombuffer(codec.decode(archive.read(f"{folder}/{index}")), dtype).reshape(chunks)
        values[inside] = chunk[tuple(slice(0, side) for side in values[inside].shape)]
    if zlib.crc32(values.data) != description["checksum"]:
        raise ValueError(f"the checksum of {folder!r} does not match")
    return values


def describe_array(values: NDArray[Any]) -> dict[str, Any]:
    """What `read_array` must know about an array that `array_members` wrote."""
    return {"shape": list(values.shape), "chunk_bytes": _CHUNK_BYTES, "checksum": zlib.crc32(values.data)}


def open_archive(path: Path) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    """A finished archive, open for reading by any number of threads, and the attributes of its root.

    The most recently used archives stay open, so that reading an image does not mean opening its archive again.

    Raises:
        OSError: the file cannot be read; KeyError, ValueError, zipfile.BadZipFile: it is damaged.
    """
    status = os.stat(path)
    return _open_archive(path, (status.st_ino, status.st_mtime_ns, status.st_size))


def chunk_shape(shape: tuple[int, ...], itemsize: int, limit: int) -> tuple[int, ...]:
    """The shape of an array's chunks: the whole array, or pieces of up to ``limit`` bytes, cut along its first axes."""
    chunks = list(shape)
    for axis in range(len(chunks)):
        rest = math.prod(chunks[axis + 1 :]) * itemsize
        chunks[axis] = max(1, min(chunks[axis], limit // rest))
        if chunks[axis] > 1:
            break
    return tuple(chunks)


def _chunks(shape: tuple[int, ...], chunks: tuple[int, ...]) -> Iterator[tuple[str, tuple[slice, ...]]]:
    """The name of every chunk of an array, and the slices of the array that it covers."""
    starts = (range(0, side, chunk) for side, chunk in zip(shape, chunks, strict=True))
    for corner in product(*starts):
        numbers = (start // chunk for start, chunk in zip(corner, chunks, strict=True))
        name = "/".join(["c", *map(str, numbers)])
        yield name, tuple(slice(start, start + chunk) for start, chunk in zip(corner, chunks, strict=True))


# The images of a collection mostly have few sizes.
@lru_cache(maxsize=256)
def _array_metadata(shape: tuple[int, ...], chunks: tuple[int, ...], dtype: str) -> bytes:
    held: dict[str, Buffer] = {}
    zarr.create_array(
        MemoryStore(held),
        shape=shape,
        chunks=chunks,
        dtype=dtype,
        compressors=ZstdCodec(level=_COMPRESSION_LEVEL, checksum=True),
    )
    return held[_METADATA].to_bytes()


@lru_cache(maxsize=_OPEN_ARCHIVES)
def _open_archive(path: Path, version: tuple[int, int, int]) -> tuple[zipfile.ZipFile, dict[str, Any]]:
    archive = zipfile.ZipFile(path)
    return archive, read_attributes(archive, "")
