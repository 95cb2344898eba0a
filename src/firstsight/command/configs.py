"""From folders on the command line to the config of a run, and from results back to the config that made them."""

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from firstsight.collections.readers import list_images
from firstsight.detectors.registry import find_detector
from firstsight.errors import FirstsightError
from firstsight.plan.config_files import read_config
from firstsight.plan.default_config import default_config
from firstsight.plan.installed import DEFAULT_CONFIG
from firstsight.plan.loading import load_settings
from firstsight.plan.paths import paths_below
from firstsight.plan.settings import TAKEN_NAMES, CollectionSettings
from firstsight.storage.replacing import replace_file

WITH_REFERENCE = ("padim", "blind")
"""The detectors that run where there are normal images and none was asked for."""

HEAD = """\
# Written by `firstsight`, anew at each call. To keep changes, copy this file and start it by
# firstsight run --config mine.yaml
"""


class ConfigFile(NamedTuple):
    """A config, and the file that it is written to."""

    path: Path
    content: dict[str, Any]


def config_of_folders(
    folders: Sequence[Path],
    results: Path,
    *,
    detectors: Sequence[str] = (),
    extractor: str | None = None,
    reference: Path | None = None,
) -> ConfigFile:
    """The config that searches the images of folders.

    Args:
        folders: each becomes a collection that has its name; a sheet or a stack of images will do, too.
        results: where everything goes, the config as well.
        detectors: names of methods; the default where there are none.
        extractor: its name; the default for None.
        reference: folder of normal images, of a single collection.

    Raises:
        FirstsightError: a folder without images, or a name that nothing has.
    """
    if reference is not None and len(folders) > 1:
        raise FirstsightError("--reference holds normal images of one texture: give one folder with it")
    collections = _entries(folders)
    if reference is not None:
        list_images(reference, "folder")
        detectors = detectors or WITH_REFERENCE
        for entry in collections.values():
            entry["reference"] = str(_absolute(reference))
    config: dict[str, Any] = {"results": str(_absolute(results)), "collections": collections}
    if extractor:
        config["features"] = {"extractor": extractor}
    if detectors:
        config["detectors"] = {name: {} for name in detectors}
    # A file that need not be there, in which `firstsight names` collects what a person calls the kinds.
    config["names"] = paths_below(_absolute(results)).names
    load_settings(DEFAULT_CONFIG, config)
    if reference is None and any(find_detector(name).normal for name in detectors):
        learning = ", ".join(name for name in detectors if find_detector(name).normal)
        raise FirstsightError(f"{learning} learns from normal images: name a folder of them by --reference")
    return ConfigFile(Path(paths_below(results).config), config)


def assigned_to(base: Path, results: Path, new: Sequence[Path], known: str) -> ConfigFile:
    """The config that is laid over another one to compare new images with one of its collections.

    New images of earlier calls stay in it.

    Raises:
        FirstsightError: a folder without images, or an unknown collection.
    """
    path = Path(paths_below(results).assigned_config)
    before = read_config(path).get("collections", {}) if path.exists() else {}
    there = read_config(base).get("collections") or {}
    if known not in there:
        names = ", ".join(there) or "none"
        raise FirstsightError(f"--known: no collection is called {known!r} in {base}; there are {names}")
    kept = {name: entry for name, entry in before.items() if entry["assign_to"] in there}
    taken = {name: entry for name, entry in kept.items() if Path(entry["path"]) not in set(map(_absolute, new))}
    added = {name: {**entry, "assign_to": known} for name, entry in _entries(new, [*there, *taken]).items()}
    return ConfigFile(path, {"collections": {**taken, **added}})


def config_in(results: Path, config: Path | None) -> tuple[Path, Path]:
    """The config of a run that is there, and its results.

    Args:
        results: where `firstsight FOLDER` put it, unless there is another.
        config: a config of the user, if there is one.

    Raises:
        FirstsightError: there is none.
    """
    if config is not None:
        return config, results_of(config)
    path = Path(paths_below(results).config)
    if not path.is_file():
        raise FirstsightError(
            f"{results} has no {path.name}: run `firstsight FOLDER` first, or say -o RESULTS or --config FILE"
        )
    return path, results


def results_of(config: Path) -> Path:
    """The folder of results that a config of the user names.

    Raises:
        FirstsightError: it cannot be read, is not YAML or no mapping.
    """
    content = read_config(config)
    if not isinstance(content, Mapping):
        raise FirstsightError(f"config: {config} holds no keys: see `firstsight config FOLDER`")
    given = content.get("results") or read_config(DEFAULT_CONFIG)["results"]
    return Path(str(given)).expanduser()


@contextmanager
def written_config(config: ConfigFile, *, keep: bool) -> Iterator[Path]:
    """Write a config to its file, or, unless it is kept, to one that is gone after the block.

    Raises:
        FirstsightError: its folder cannot be written to.
    """
    text = HEAD + yaml.safe_dump(config.content, sort_keys=False, allow_unicode=True)
    if not keep:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, config.path.name)
            path.write_text(text, encoding="utf-8")
            yield path
        return
    try:
        replace_file(config.path, lambda beside: beside.write_text(text, encoding="utf-8"))
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise FirstsightError(f"{config.path.parent} cannot be written to ({why}): name another folder by -o") from None
    yield config.path


def commented_config(folders: Sequence[Path]) -> str:
    """The text of a config for folders, with every key, its default and a comment."""
    entries = {name: CollectionSettings(path=Path(entry["path"])) for name, entry in _entries(folders).items()}
    return default_config(entries)


def _entries(folders: Sequence[Path], taken: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """A collection for each folder, by a name that no other has."""
    entries: dict[str, dict[str, str]] = {}
    for folder in folders:
        list_images(folder)
        name = collection_name(folder, [*taken, *entries])
        entries[name] = {"path": str(_absolute(folder))}
    return entries


def collection_name(folder: Path, taken: Sequence[str] = ()) -> str:
    """What a collection is called that lies in a folder: as the folder, as far as a name may hold such letters.

    Args:
        folder: or a sheet or stack.
        taken: names that others have.
    """
    plain = folder.resolve().name if folder.is_dir() else folder.resolve().stem
    plain = re.sub("[^A-Za-z0-9_-]+", "_", plain).strip("_-") or "images"
    name, number = plain, 1
    while name in {*taken, *TAKEN_NAMES}:
        number += 1
        name = f"{plain}_{number}"
    return name


def _absolute(path: Path) -> Path:
    """The path from the root and without ``..``, so that the config holds wherever a run is started."""
    return Path(os.path.abspath(path.expanduser()))
