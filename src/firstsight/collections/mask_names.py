"""Which files of a collection are masks, and of which images: told from their names alone.

A name is a path relative to the collection's folder, with `/` between its parts. A mask lies in a folder of masks
(`ground_truth/`, `masks/`, `train_masks/`), beside its image under a name of its own (`7_mask.png`, `7_GT.png`), or
beside it under the same name with another suffix (`7.jpg`, `7.png`). An image may have several (`7_0.png`, `7_1.png`,
or a folder `7/`).
"""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

_WORDS = "masks?|gts?|ground[ _-]?truths?|labels?|annotations?|seg|segmentations?"
_FOLDER_OF_MASKS = re.compile("masks?|gts?|groundtruths?|labels?|annotations?|seg|segmentations?|segmentationclass")
_FOLDER_OF_IMAGES = re.compile("images?|imgs?|jpegimages|originals?|raw")
_BESIDE_SUCH = re.compile(
    "train|training|test|testing|val|valid|validation|public|private|defects?|anomaly|anomalies|pixel|binary|semantic"
    "|png|bmp|tiff?"
)

_WORD_AFTER = re.compile(rf"(?P<stem>.+?)[ _.-](?P<word>{_WORDS})(?P<number>[ _.-]?\d+)?", re.IGNORECASE)
_WORD_BEFORE = re.compile(rf"(?P<word>{_WORDS})[ _.-](?P<stem>.+)", re.IGNORECASE)
_HAS_WORD = re.compile("mask|gt|ground|label|annotation|seg", re.IGNORECASE)
"""In every name that the two above fit; quicker to look for."""
_WHOLE_NAME = re.compile(r"(?P<stem>.+)\.(?:png|jpe?g|tiff?|bmp|webp)", re.IGNORECASE)
_NUMBER_AFTER = re.compile(r"(?P<stem>.+?)(?:[ _.-]\d+| ?\(\d+\))")

LOSSLESS = frozenset({".png", ".bmp", ".tif", ".tiff"})
"""Suffixes that masks have which are called as their images."""


@dataclass(frozen=True)
class Pairs:
    """Masks by image, in the order of their names; masks that fit several images equally well; masks that fit none."""

    masks: dict[str, tuple[str, ...]]
    shared: dict[str, tuple[str, ...]]
    loose: tuple[str, ...]


def is_mask_folder(name: str) -> bool:
    """Whether the name of a folder says that it holds masks, and nothing else."""
    rest = [word for word in _words_of(name) if not _FOLDER_OF_MASKS.fullmatch(word)]
    return len(rest) < len(_words_of(name)) and all(
        _FOLDER_OF_IMAGES.fullmatch(word) or _BESIDE_SUCH.fullmatch(word) for word in rest
    )


def find_masks(names: Sequence[str], looks_like_mask: Callable[[str], bool]) -> frozenset[str]:
    """Those of the names that are masks.

    Args:
        names: of all files of a collection that may be images.
        looks_like_mask: opens a file and says whether it may be a mask. It is asked about a few files, where masks
            would be told from images by their suffix alone.
    """
    folders = {name.rpartition("/")[0] for name in names}
    of_masks = {folder for folder in folders if any(map(is_mask_folder, folder.split("/")))}
    in_folders = {name for name in names if name.rpartition("/")[0] in of_masks} if of_masks else set()
    if len(in_folders) == len(names):
        return frozenset()
    others = [name for name in names if name not in in_folders]
    beside = _named_after_images(others)
    if not in_folders and not beside:
        beside = _with_another_suffix(others, looks_like_mask)
    return frozenset(in_folders | beside)


def masks_of_pattern(names: Iterable[str], pattern: str) -> dict[str, str]:
    """The names that a pattern of the config fits, each with what stands in the place of ``{stem}``.

    Args:
        names: of all files below the collection's folder.
        pattern: ``{stem}`` is the image's name without folder and suffix, ``*`` is anything.
    """
    parts = [re.escape(part).replace(r"\*", ".*") for part in pattern.removeprefix("./").split("{stem}")]
    compiled = re.compile(r"(?P<stem>[^/]+)".join(parts[:2]) + "".join(rf"(?P=stem){part}" for part in parts[2:]))
    found = {name: compiled.fullmatch(name) for name in names}
    return {name: match["stem"] for name, match in found.items() if match}


def pair_masks(images: Sequence[str], masks: Iterable[str], stems: dict[str, str] | None = None) -> Pairs:
    """Give every mask to its image: the one of its name that is nearest to it in the tree of folders.

    Folders of masks and of images count as the folder that they are in, and the folders of one must lead to the other
    (`ground_truth/hole/7.png` fits `test/hole/7.png`, not `test/cut/7.png`).

    Args:
        images, masks: names.
        stems: from mask to the stem of its image, where a pattern says it; then folders may differ.
    """
    masks = sorted(masks)
    if not masks:
        return Pairs({}, {}, ())
    folders = {name.rpartition("/")[0] for name in (*images, *masks)}
    places = {folder: _place(folder) for folder in folders}
    distance = cache(_steps if stems is None else _parts_apart)
    by_stem: dict[str, list[tuple[str, str, tuple[str, ...]]]] = defaultdict(list)
    for image in images:
        stem = _stem(image)
        by_stem[stem.casefold()].append((image, stem, places[image.rpartition("/")[0]]))
    given: dict[str, list[str]] = defaultdict(list)
    shared, loose = {}, []
    for mask in masks:
        place = places[mask.rpartition("/")[0]]
        candidates = _candidates(mask, place) if stems is None else [(stems[mask], place)]
        ranked = [
            (distance(of_image, there), order, found != stem, image)
            for order, (stem, there) in enumerate(candidates)
            for image, found, of_image in by_stem.get(stem.casefold(), ())
        ]
        reached = [(steps, *rest) for steps, *rest in ranked if steps is not None]
        best = min((rank[:3] for rank in reached), default=None)
        fitting = sorted({str(rank[3]) for rank in reached if rank[:3] == best})
        if len(fitting) == 1:
            given[fitting[0]].append(mask)
        elif fitting:
            shared[mask] = tuple(fitting)
        else:
            loose.append(mask)
    return Pairs({image: tuple(found) for image, found in given.items()}, shared, tuple(loose))


def _named_after_images(names: Sequence[str]) -> set[str]:
    """Masks beside their images: of a word, all files that bear it, if at least half of them have an image."""
    matched = {name: _with_word(_stem(name)) for name in names if _HAS_WORD.search(name)}
    bare = {os.path.splitext(name)[0].casefold() for name in names} if matched else set()
    by_word: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for name, matches in matched.items():
        folder = name[: name.rfind("/") + 1]
        for side, match in enumerate(matches):
            if match:
                stems = (match["stem"], *_shorter(match["stem"]))
                fits = any(f"{folder}{stem}".casefold() in bare for stem in stems)
                by_word[f"{side} {match['word'].casefold()}"].append((name, fits))
    return {name for found in by_word.values() if 2 * sum(fits for _, fits in found) >= len(found) for name, _ in found}


def _with_another_suffix(names: Sequence[str], looks_like_mask: Callable[[str], bool], sample: int = 8) -> set[str]:
    """Masks called as their images but for the suffix: all files of that suffix, each of which must have an image."""
    if len({os.path.splitext(name)[1].lower() for name in names}) < 2:
        return set()
    suffixes: dict[str, dict[str, str]] = defaultdict(dict)
    for name in names:
        stem, suffix = os.path.splitext(name)
        suffixes[suffix.lower()][stem] = name
    for suffix in sorted(LOSSLESS & set(suffixes)):
        own = suffixes[suffix]
        others = set().union(*(stems for other, stems in suffixes.items() if other != suffix))
        if others.issuperset(own):
            asked = sorted(own.values())[:: len(own) // sample + 1]
            if all(map(looks_like_mask, asked)):
                return set(own.values())
    return set()


def _candidates(mask: str, place: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """What the image of a mask in a place may be called, with the place to look for it; the most literal first."""
    stem = _stem(mask)
    stems = [stem]
    stems += [match["stem"] for match in _with_word(stem) if match]
    for found in tuple(stems):
        stems += _shorter(found)
    candidates = [(found, place) for found in dict.fromkeys(stems)]
    folders = mask.split("/")[:-1]
    if len(folders) > 1 and any(map(is_mask_folder, folders[:-1])) and not is_mask_folder(folders[-1]):
        candidates.append((folders[-1], _place("/".join(folders[:-1]))))
    return candidates


def _with_word(stem: str) -> tuple[re.Match[str] | None, re.Match[str] | None]:
    """How a stem reads as that of a mask, with a word after it or before it."""
    return _WORD_AFTER.fullmatch(stem), _WORD_BEFORE.fullmatch(stem)


def _shorter(stem: str) -> list[str]:
    """The stem without the suffix of an image (`7.jpg_mask.png` is of `7.jpg`), and without a number after it."""
    return [match["stem"] for match in (_WHOLE_NAME.fullmatch(stem), _NUMBER_AFTER.fullmatch(stem)) if match]


def _stem(name: str) -> str:
    return os.path.splitext(name.rsplit("/", 1)[-1])[0]


def _place(folder: str) -> tuple[str, ...]:
    """The parts of the path of a folder, without the words that only say whether they hold images or masks."""
    parts = []
    for part in filter(None, folder.split("/")):
        words = _words_of(part)
        kept = [
            word for word in words if not _FOLDER_OF_IMAGES.fullmatch(word) and not _FOLDER_OF_MASKS.fullmatch(word)
        ]
        if kept:
            parts.append(part.casefold() if kept == words else " ".join(kept))
    return tuple(parts)


def _words_of(folder: str) -> list[str]:
    return re.findall(r"[^\W_]+", re.sub(r"ground[ _-]?truth", "groundtruth", folder.casefold()))


def _steps(first: tuple[str, ...], second: tuple[str, ...]) -> int | None:
    """As `_parts_apart`, but None unless one place leads to the other by leaving parts out."""
    apart = _parts_apart(first, second)
    return apart if apart == abs(len(first) - len(second)) else None


def _parts_apart(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """How many parts one of two places has and the other has not."""
    return len(first) + len(second) - 2 * _in_common(first, second)


def _in_common(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """The length of the longest run of folders, in order, that both places have."""
    longest = [0] * (len(second) + 1)
    for part in first:
        before = longest
        longest = [0]
        for column, other in enumerate(second):
            longest.append(before[column] + 1 if part == other else max(before[column + 1], longest[column]))
    return longest[-1]
