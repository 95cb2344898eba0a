"""Images that share a file: HDF5 data sets, Zarr arrays and pages of a TIFF.

What they have in common is the *address* of an image, which can stand wherever the path of an image file can.

| | |
| --- | --- |
| ``pile.h5:/images[17]`` | image 17 of the data set ``/images``, (N, H, W) or (N, H, W, C); Zarr too |
| ``pile.h5:/images/a[...]`` | the data set ``/images/a``, (H, W) or (H, W, C), which is one image |
| ``pile.tif[17]`` | page 17 |

Reading an image never reads the whole stack.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import tifffile

from firstsight.collections.containers import (
    check_hdf5_data,
    find_hdf5,
    is_zarr_array,
    open_hdf5,
    open_zarr_array,
    zarr_chunks,
    zarr_folder,
    zarr_members,
)
from firstsight.collections.tiff_pages import full_pages, pages_of_file
from firstsight.errors import FirstsightError

STACKS = ("hdf5", "zarr", "tiff_stack")
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})

IMAGE_LIMIT = 1_000_000
"""The most images that a stack may declare; a file of a few bytes can declare any number."""

MOST_CHANNELS = 4

READ_ERRORS = (OSError, ValueError, RuntimeError, LookupError, TypeError, AttributeError, tifffile.TiffFileError)
"""What the libraries raise for damaged files."""


@dataclass(frozen=True)
class Address:
    """Where one image of a stack lies; ``str`` writes it, `parse_address` reads it.

    ``inside`` is the absolute name of the data set (None for a TIFF), ``index`` the number of the image (None if the
    data set is a single image).
    """

    file: Path
    inside: str | None
    index: int | None

    def __str__(self) -> str:
        inside = "" if self.inside is None else f":{self.inside}"
        return f"{self.file}{inside}[{'...' if self.index is None else self.index}]"

    @property
    def kind(self) -> str:
        """The format's name in messages."""
        return "TIFF" if self.inside is None else "Zarr" if os.path.isdir(self.file) else "HDF5"


@dataclass(frozen=True)
class Member:
    """One listed image of a stack: its id, its address, that of its mask, and what is known to be wrong."""

    image: str
    address: Address
    mask: Address | None
    problem: str | None


def parse_address(path: Path) -> Address | None:
    """The address that a path spells; None for the path of a file, which every path that exists is taken for."""
    match = _ADDRESS.fullmatch(str(path))
    if match is None or os.path.lexists(path):
        return None
    index = None if match["index"] == "..." else int(match["index"])
    if match["inside"] is None and index is None:
        return None
    return Address(Path(match["file"]), match["inside"], index)


_ADDRESS = re.compile(r"(?P<file>.+?)(?::(?P<inside>/.*))?\[(?P<index>[0-9]{1,9}|\.\.\.)\]", re.DOTALL)


def real_files(path: Path) -> list[Path]:
    """The files on disk that change when an image changes: the chunks of an image in Zarr, otherwise one file.

    Missing chunks (they hold the fill value) are left out.
    """
    address = parse_address(path)
    if address is None:
        return [path]
    if address.kind != "Zarr":
        return [address.file]
    try:
        return [
            file for file in zarr_chunks(zarr_folder(address.file, str(address.inside)), address.index) if file.exists()
        ]
    except READ_ERRORS:
        return [address.file]


def guess_stack(path: Path) -> str | None:
    """The layout, one of `STACKS`, that a collection's path appears to have, or None."""
    file, inside = _split(path)
    if os.path.isdir(file):
        is_zarr = inside is not None or any(os.path.isfile(file / name) for name in ("zarr.json", ".zarray", ".zgroup"))
        return "zarr" if is_zarr else None
    if not os.path.isfile(file):
        return None
    if inside is None and file.suffix.lower() in TIFF_SUFFIXES:
        return "tiff_stack"
    return "hdf5" if inside or h5py.is_hdf5(file) else None


def list_stack(path: Path, layout: str, axes: str = "auto") -> list[Member]:
    """List the images of a stack, in no order; no image is read.

    A data set ``masks`` beside a data set ``images`` holds the masks of its images.

    Args:
        path: ``file``, or ``file:/name`` of a data set or a group. An HDF5 file or a Zarr group without a name stands
            for its member ``images``, or for its only member. Every member of a group is one image.
        layout: one of `STACKS`.
        axes: of a data set in HDF5 or Zarr, "HW", "HWC", "NHW" or "NHWC". "auto": three axes are NHW, or HWC if the
            last one can only be channels; four are NHWC.

    Raises:
        FirstsightError: there is no such file or data set, or it cannot be opened or holds no stack of images.
    """
    file, inside = _split(path)
    if not os.path.exists(file):
        raise FirstsightError(f"no such file or folder: {file}")
    if not (os.path.isdir(file) if layout == "zarr" else os.path.isfile(file)):
        raise FirstsightError(f"{file} is not a {'folder' if layout == 'zarr' else 'file'}, as layout {layout} needs")
    list_members = {"hdf5": _list_hdf5, "zarr": _list_zarr, "tiff_stack": _list_tiff}[layout]
    try:
        if inside is not None and (layout == "tiff_stack" or ".." in inside.split("/")):
            raise FirstsightError(f"no data set {inside} can be in it")
        members = list_members(file, inside, axes)
    except FirstsightError as error:
        raise FirstsightError(f"{file}: {error}") from None
    except READ_ERRORS as error:
        raise FirstsightError(f"{file} cannot be read: {' '.join(str(error).split())[:200]}") from error
    if not members:
        raise FirstsightError(f"no images in {path}")
    return members


@contextmanager
def open_data(address: Address) -> Iterator[Any]:
    """Open the data set of an address, an `h5py.Dataset` or a `zarr.Array`, checked but not read.

    Raises:
        FirstsightError: there is no such data set, or it is refused; worded for a table, without the file's name.
        READ_ERRORS: whatever the libraries raise for a damaged file.
    """
    inside = str(address.inside)
    if stat.S_ISDIR(os.stat(address.file).st_mode):
        yield open_zarr_array(address.file, inside)
    else:
        with open_hdf5(address.file) as file:
            yield check_hdf5_data(find_hdf5(file, inside), inside)


def image_shape(shape: tuple[int, ...], address: Address) -> tuple[int, ...]:
    """The shape of an image, (H, W) or (H, W, C), given the shape of its data set.

    Raises:
        FirstsightError: images cannot have that shape.
    """
    image = shape if address.index is None else shape[1:]
    if len(image) not in (2, 3) or (len(image) == 3 and not 1 <= image[2] <= MOST_CHANNELS):
        expected = "(H, W) or (H, W, C)" if address.index is None else "(N, H, W) or (N, H, W, C)"
        raise FirstsightError(f"a data set of shape {shape} holds no images: {expected}, C up to {MOST_CHANNELS}")
    return image


def _split(path: Path) -> tuple[Path, str | None]:
    """The file of a collection's path, and the name inside it, if any."""
    text = str(path)
    if os.path.lexists(path) or ":" not in text:
        return path, None
    # Path drops a trailing slash, which is all that the name of the root group consists of.
    file, separator, inside = (text if "/" in text[text.rindex(":") :] else f"{text}/").partition(":/")
    return (Path(file), f"/{inside}".rstrip("/") or "/") if separator else (path, None)


def _list_tiff(file: Path, _: str | None, __: str) -> list[Member]:
    with tifffile.TiffFile(file, _multifile=False) as tiff:
        count = len(tiff.pages)
        declared = int((tiff.imagej_metadata or {}).get("images", 1)) if tiff.is_imagej else 1
    if declared > count:
        raise FirstsightError(f"it says that it holds {declared} images, but has pages for {count} only")
    full = set(full_pages(pages_of_file(file)))
    members = _numbered(file, None, count, None)
    return [member for member in members if member.address.index in full or len(full) < 1]


def _list_hdf5(path: Path, inside: str | None, axes: str) -> list[Member]:
    with open_hdf5(path) as file:
        name = inside or _only_member(path, list(file))
        member = find_hdf5(file, name)
        if isinstance(member, h5py.Group):
            return _named(path, name, list(member))
    return _list_data(path, name, axes)


def _list_zarr(path: Path, inside: str | None, axes: str) -> list[Member]:
    name = inside or ("/" if is_zarr_array(path) else _only_member(path, zarr_members(path)))
    folder = zarr_folder(path, name)
    if os.path.isdir(folder) and not is_zarr_array(folder):
        return _named(path, name, zarr_members(folder))
    return _list_data(path, name, axes)


def _only_member(path: Path, members: list[str]) -> str:
    """The name of the data set that a path without a name stands for."""
    if "images" in members or len(members) == 1:
        return "/images" if "images" in members else f"/{members[0]}"
    there = f"there are {', '.join(sorted(members)[:10])}" if members else "there is none"
    raise FirstsightError(f"say which data set holds the images, as in {path}:/images; {there}")


def _list_data(path: Path, name: str, axes: str) -> list[Member]:
    """The images of one data set, (N, H, W) or (N, H, W, C), or the only one, (H, W) or (H, W, C)."""
    with open_data(Address(path, name, None)) as data:
        shape = data.shape
    if axes == "auto":
        axes = "HW" if len(shape) == 2 else "HWC" if _is_one_colour_image(shape) else "NHW"
    elif len(axes) != len(shape):
        raise FirstsightError(f"axes {axes} do not fit the data set {name} of shape {shape}")
    whole = Address(path, name, 0 if axes.startswith("N") else None)
    image_shape(shape, whole)
    masks = None
    folder, _, last = name.rpartition("/")
    if last == "images" and _exists(path, f"{folder}/masks"):
        masks = f"{folder}/masks"
    if whole.index is None:
        mask = None if masks is None else Address(path, masks, None)
        return [Member(name.strip("/") or path.stem, whole, mask, _unwritable(whole))]
    if masks is not None:
        with open_data(Address(path, masks, None)) as data:
            if data.shape[0] != shape[0]:
                raise FirstsightError(f"{masks} has shape {data.shape}, {name} has {shape}")
    return _numbered(path, name, shape[0], masks)


def _is_one_colour_image(shape: tuple[int, ...]) -> bool:
    """Whether three axes are those of one image with channels: as images of a stack they would be slivers."""
    return len(shape) == 3 and shape[2] <= MOST_CHANNELS < min(shape[:2])


def _numbered(file: Path, inside: str | None, count: int, masks: str | None) -> list[Member]:
    if count > IMAGE_LIMIT:
        raise FirstsightError(f"it declares {count:,} images (the limit is {IMAGE_LIMIT:,})")
    label = (inside or "").strip("/") or file.stem
    if count and _unwritable(Address(file, inside, 0)):
        raise FirstsightError("a stack cannot be here, since ':/' in a path parts a file from a data set")
    return [
        Member(
            f"{label}/{index:05d}", Address(file, inside, index), Address(file, masks, index) if masks else None, None
        )
        for index in range(count)
    ]


def _named(file: Path, group: str, names: list[str]) -> list[Member]:
    members = []
    for name in names:
        address = Address(file, f"{group.rstrip('/')}/{name}", None)
        plain = name if name not in (".", "..") else ascii(name)
        problem = None if plain == name else "name cannot be used"
        members.append(
            Member(f"{group.strip('/')}/{plain}".lstrip("/"), address, None, problem or _unwritable(address))
        )
    return members


def _unwritable(address: Address) -> str | None:
    return None if parse_address(Path(str(address))) == address else "name cannot be written as a path"


def _exists(file: Path, inside: str) -> bool:
    if os.path.isdir(file):
        return is_zarr_array(zarr_folder(file, inside))
    folder, _, last = inside.rpartition("/")
    with open_hdf5(file) as opened:
        return find_hdf5(opened, folder).get(last, getlink=True) is not None
