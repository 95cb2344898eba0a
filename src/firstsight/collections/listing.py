"""A collection as it lies on the disk: its images with their labels and masks, and what is odd about their names."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from firstsight.collections.folders import printable
from firstsight.collections.labels import is_called_defective, is_called_normal, is_nought, normal_labels
from firstsight.collections.mask_names import Pairs, find_masks, is_mask_folder, masks_of_pattern, pair_masks
from firstsight.collections.readers import ImageFile, guess_layout, list_folder, list_images, test_folder
from firstsight.collections.stacks import STACKS, guess_stack
from firstsight.errors import FirstsightError

SHARED_MASK = "its mask fits other images too, and was given to none"
"""Remark on an image."""

LIST_OF_LABELS = "Labels.txt"
"""DAGM 2007 has it beside the masks: it names every image, and an image without a mask is normal."""

MOST_VALUES = 32
"""A file of more different grey values than this is no mask, where its name alone does not tell."""


@dataclass(frozen=True)
class Listing:
    """The images of a collection, sorted by their ids, and one line for whatever is odd about all of them."""

    files: tuple[ImageFile, ...]
    remarks: tuple[str, ...] = ()


def list_collection(
    path: Path,
    layout: str = "auto",
    *,
    axes: str = "auto",
    normal_label: Sequence[str] = (),
    pattern: str | None = None,
    is_result: Callable[[Path], bool] = lambda file: False,
) -> Listing:
    """List the images of a collection; masks are told from them by their names and never listed.

    Args:
        path, layout, axes: as in `firstsight.collections.readers.list_images`.
        normal_label: labels of normal images, in place of the words of `firstsight.collections.labels`.
        pattern: of the names of masks (`firstsight.collections.mask_names.masks_of_pattern`); None: they are found.
        is_result: whether a file was made by a run; masks that a run exports would fit its images.

    Raises:
        FirstsightError: as `list_images`, and a pattern that fits no file.
    """
    if layout in STACKS or (layout == "auto" and guess_stack(path) is not None) or not os.path.exists(path):
        _require_folder_for(pattern)
        return Listing(list_images(path, layout, axes))
    layout = guess_layout(path, normal_label) if layout == "auto" else layout
    files: Sequence[ImageFile] = list_images(path, layout)
    remarks: list[str] = []
    if layout == "sheet":
        _require_folder_for(pattern)
    else:
        more = _more_files(path, layout, pattern)
        files, more = ([file for file in listed if not is_result(file.path)] for listed in (files, more))
        files, remarks = _with_masks(path, files, more, pattern)
    if layout == "folder":
        files = _with_labels(files, normal_label)
    if layout == "mvtec":
        remarks += _left_out(path, normal_label, is_result)
    files, about_labels = _with_normal(files, normal_label)
    return Listing(files, (*about_labels, *remarks))


def _require_folder_for(pattern: str | None) -> None:
    if pattern is not None:
        raise FirstsightError("mask.pattern has no meaning here, only where path is a folder of images")


def _with_masks(
    path: Path, files: Sequence[ImageFile], more: Sequence[ImageFile], pattern: str | None
) -> tuple[tuple[ImageFile, ...], list[str]]:
    """The images without the masks among them, each with its own masks; a line for masks that no image got."""
    by_name = {file.image: file for file in (*files, *more)}
    if pattern is None:
        stems = None
        masks = find_masks(list(by_name), lambda name: _has_few_values(by_name[name].path))
    else:
        stems = masks_of_pattern(by_name, pattern)
        masks = frozenset(stems)
        if not masks:
            raise FirstsightError(f"mask.pattern {pattern} fits no file in {printable(path)}")
    images = tuple(file for file in files if file.image not in masks)
    if not images:
        raise FirstsightError(f"no images in {printable(path)}: all of its files are masks, or results of a run")
    pairs = pair_masks([file.image for file in images], masks, stems)
    contested = {image for fitting in pairs.shared.values() for image in fitting}
    all_known = any(os.path.isfile(folder / LIST_OF_LABELS) for folder in {by_name[mask].path.parent for mask in masks})
    return (
        tuple(
            replace(
                file,
                masks=tuple(by_name[mask].path for mask in pairs.masks.get(file.image, ())),
                remark=SHARED_MASK if file.image in contested else None,
                normal=True if all_known and file.image not in pairs.masks and file.image not in contested else None,
            )
            for file in images
        ),
        _about_masks(pairs),
    )


def _more_files(path: Path, layout: str, pattern: str | None) -> list[ImageFile]:
    """Files that may be masks beside those that the layout lists; their ids are relative to ``path``."""
    if layout != "mvtec":
        return []
    if pattern is not None:
        return list(list_folder(path))
    more = []
    for folder in filter(None, (path, test_folder(path))):
        for name in sorted(os.listdir(folder)):
            if is_mask_folder(name) and os.path.isdir(folder / name):
                below = (folder / name).relative_to(path).as_posix()
                more += [replace(file, image=f"{below}/{file.image}") for file in list_folder(folder / name)]
    return more


def _has_few_values(path: Path) -> bool:
    """Whether a file holds so few grey values that it may be a mask."""
    try:
        with Image.open(path, formats=("PNG", "BMP", "TIFF")) as image:
            return image.convert("L").getcolors(MOST_VALUES) is not None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False


def _about_masks(pairs: Pairs) -> list[str]:
    lines = []
    if pairs.loose:
        lines.append(f"{_counted(len(pairs.loose), 'mask fits', 'masks fit')} no image: {_some(pairs.loose)}")
    if pairs.shared:
        fit = _counted(len(pairs.shared), "mask fits several images and was", "masks fit several images each and were")
        lines.append(f"{fit} given to none: {_some(sorted(pairs.shared))}")
    return lines


def _with_labels(files: Sequence[ImageFile], normal_label: Sequence[str]) -> tuple[ImageFile, ...]:
    """Labels from folders: where one is called normal, it and the folders beside it are the kinds."""
    beside: dict[str, set[str]] = defaultdict(set)
    for file in files:
        folders = file.image.split("/")[:-1]
        for depth, folder in enumerate(folders):
            beside["/".join(folders[:depth])].add(folder)
    holders = {parent for parent, names in beside.items() if _has_normal(names, normal_label)}
    return tuple(replace(file, label=_label_of(file.image, holders)) for file in files) if holders else tuple(files)


def _has_normal(names: set[str], normal_label: Sequence[str]) -> bool:
    """Whether folders side by side are kinds, one of them normal; a folder 0 is one of many unless 1 is the other."""
    found = normal_labels(names, normal_label)
    if found and not normal_label and not any(map(is_called_normal, found)):
        return len(names) == 2 and all(is_nought(name) or name in {"1", "true", "yes"} for name in names)
    return bool(found)


def _label_of(image: str, holders: Iterable[str]) -> str | None:
    folders = image.split("/")[:-1]
    for depth, folder in enumerate(folders):
        if "/".join(folders[:depth]) in holders:
            kind = folders[depth + 1 : depth + 2]
            return f"{folder}/{kind[0]}" if kind and is_called_defective(folder) else folder
    return None


def _with_normal(files: Sequence[ImageFile], normal_label: Sequence[str]) -> tuple[tuple[ImageFile, ...], list[str]]:
    """The images, each labelled one with whether it is normal; a line if there are labels and none of them is."""
    labels = sorted({file.label for file in files if file.label is not None})
    if not labels:
        return tuple(files), []
    normal = normal_labels(labels, normal_label)
    marked = tuple(file if file.label is None else replace(file, normal=file.label in normal) for file in files)
    if normal:
        return marked, []
    said = f"normal_label {', '.join(normal_label)} is no label" if normal_label else "no label is called normal"
    return marked, [
        f"{said}; the labels are {_some(labels)}" + ("" if normal_label else "; normal_label says which is")
    ]


def _left_out(path: Path, normal_label: Sequence[str], is_result: Callable[[Path], bool]) -> list[str]:
    """A line that names the folders beside ``test`` whose images are neither searched nor learned from."""
    test = test_folder(path)
    counts = {}
    for name in sorted(os.listdir(path)):
        folder = path / name
        if not os.path.isdir(folder) or name.startswith(".") or folder == test or is_mask_folder(name):
            continue
        try:
            inside = list_folder(folder)
        except FirstsightError:
            # A folder that cannot be opened, and is not asked for.
            continue
        if name.lower() == "train":
            kinds = normal_labels({file.image.split("/")[0] for file in inside if "/" in file.image}, normal_label)
            inside = tuple(file for file in inside if file.image.split("/")[0] not in kinds)
        inside = tuple(file for file in inside if not is_result(file.path))
        if inside:
            counts[name] = len(inside)
    if not counts:
        return []
    listed = ", ".join(f"{name} ({_counted(count, 'image', 'images')})" for name, count in counts.items())
    return [f"not searched, since the layout is mvtec: {listed}"]


def _counted(count: int, one: str, several: str) -> str:
    return f"{count:,} {one if count == 1 else several}"


def _some(names: Sequence[str], most: int = 5) -> str:
    """A few of the names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
