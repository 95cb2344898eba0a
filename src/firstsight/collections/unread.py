"""Files beside the images that hold pictures and cannot be read: how many of each suffix there are, and what to do."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import features

from firstsight.collections.folders import walk_files


@dataclass(frozen=True)
class Format:
    """A format that is read where something is installed.

    Attributes:
        is_there: whether it can be read here.
        advice: what to do where it cannot.
    """

    is_there: Callable[[], bool]
    advice: str


@dataclass(frozen=True)
class Unread:
    """The files of one suffix below a folder that cannot be read.

    Attributes:
        suffix: in lower case, with its dot.
        count: how many files.
        example: the first of them, relative to the folder.
        advice: what to do.
    """

    suffix: str
    count: int
    example: str
    advice: str


_EXTRA = "install firstsight[formats] to have them read, or save them as PNG or TIFF"

_HEIF = Format(lambda: find_spec("pillow_heif") is not None, _EXTRA)
_DICOM = Format(lambda: find_spec("pydicom") is not None, _EXTRA)
_AVIF = Format(lambda: bool(features.check("avif")), "install a Pillow with AVIF, or save them as PNG")
_JPEG_2000 = Format(lambda: True, "")

MORE_FORMATS: dict[str, Format] = {
    **dict.fromkeys((".heic", ".heif", ".hif"), _HEIF),
    **dict.fromkeys((".dcm", ".dicom"), _DICOM),
    ".avif": _AVIF,
    **dict.fromkeys((".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"), _JPEG_2000),
}
"""By suffix, what is read besides the formats that are always read."""

_RAW = ("3fr", "arw", "cr2", "cr3", "crw", "dcr", "dng", "erf", "fff", "iiq", "kdc", "mef", "mos", "mrw", "nef", "nrw")
_MORE_RAW = ("orf", "pef", "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f")
VIDEOS = ("3gp", "avi", "flv", "m2ts", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "mts", "ogv", "webm", "wmv")
ARCHIVES = ("7z", "bz2", "gz", "lzma", "rar", "tar", "tbz2", "tgz", "txz", "xz", "zip", "zst")
_DOCUMENTS = ("ai", "djvu", "doc", "docx", "eps", "pdf", "ppt", "pptx", "ps", "xps")
_STACKS = ("h5", "hdf5", "he5", "hdf")
_ARRAYS = ("fit", "fits", "fts", "mat", "mha", "mhd", "mrc", "nc", "nii", "npy", "npz", "nrrd")
_MICROSCOPES = ("czi", "ims", "lif", "lsm", "mrxs", "nd2", "ndpi", "oib", "oif", "scn", "svs", "vsi", "zvi")
_PICTURES = ("apng", "cin", "dds", "dpx", "emf", "exr", "gif", "hdr", "ico", "icns", "jxl", "jxr", "pam", "pbm", "pcx")
_MORE_PICTURES = (
    "pfm",
    "pgm",
    "pnm",
    "ppm",
    "psb",
    "psd",
    "qoi",
    "ras",
    "sgi",
    "svg",
    "tga",
    "wdp",
    "wmf",
    "xbm",
    "xcf",
)

ADVICE: dict[str, str] = {
    **dict.fromkeys((*_RAW, *_MORE_RAW), "raw files of a camera: develop them, as 16-bit TIFF for example"),
    **dict.fromkeys(VIDEOS, "films: save their frames as PNG"),
    **dict.fromkeys(ARCHIVES, "archives: unpack them"),
    **dict.fromkeys(_DOCUMENTS, "documents: save their pages or pictures as PNG"),
    **dict.fromkeys(_STACKS, "stacks: give each as the path of a collection of its own"),
    **dict.fromkeys(_ARRAYS, "arrays: save them as TIFF, or all in one HDF5 file"),
    **dict.fromkeys(_MICROSCOPES, "files of a microscope: save their images as TIFF"),
    **dict.fromkeys((*_PICTURES, *_MORE_PICTURES), "save them as PNG or TIFF"),
}
"""By suffix without its dot, what to do with files that hold pictures and are never read."""


def count_unread(folder: Path) -> tuple[Unread, ...]:
    """Count the files that cannot be read at any depth below a folder, by suffix, the most frequent first.

    Files that hold no pictures (texts, tables) do not count; nor does what lies where `walk_files` does not go. Where
    ``folder`` is no folder, there are none.
    """
    if not os.path.isdir(folder):
        return ()
    advice = {f".{suffix}": text for suffix, text in ADVICE.items()} | {
        suffix: format.advice for suffix, format in MORE_FORMATS.items() if not format.is_there()
    }
    found: dict[str, list[str]] = {}
    for file in walk_files(folder, advice):
        found.setdefault(os.path.splitext(file.relative)[1].lower(), []).append(file.relative)
    # A folder that could not be opened has the suffix of its name, if any.
    counted = [Unread(key, len(names), min(names), advice[key]) for key, names in found.items() if key in advice]
    return tuple(sorted(counted, key=lambda unread: (-unread.count, unread.suffix)))


def tell_unread(unread: Sequence[Unread]) -> list[str]:
    """One line for each suffix: how many files, and what to do."""
    return [
        f"{each.count:,} {each.suffix} file{'s' if each.count > 1 else ''} cannot be read: {each.advice}"
        for each in unread
    ]


def unread_rows(collection: str, unread: Sequence[Unread]) -> list[dict[str, Any]]:
    """The rows of the table ``unread`` for a collection."""
    return [
        {
            "collection": collection,
            "suffix": each.suffix,
            "n_files": each.count,
            "example": each.example,
            "advice": each.advice,
        }
        for each in unread
    ]
