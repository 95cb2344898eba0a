"""From config files to the settings of a run: defaults filled in, every key checked, every mistake told at once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstsight.detectors.registry import find_detector
from firstsight.errors import ConfigError, FirstsightError, Mistake, suggestion
from firstsight.papers.presets import PAPER_SETTINGS
from firstsight.plan.config_files import read_config
from firstsight.plan.settings import CollectionSettings, Config, DetectorEntry, SharedSettings, detector_name
from firstsight.settings_model import M, SettingsModel, read_settings

REPLACED_WHOLE = ("collections", "detectors", "threshold", "papers")
"""Keys whose value in the user's config replaces the default, instead of being merged into it."""

INHERITED = ("features", "detectors", "threshold", "clustering", "contaminated", "value_range")
"""What new images take over from the collection that they are compared with."""


def load_settings(defaults: Path, overrides: Mapping[str, Any]) -> Config:
    """Read the default config file and lay the user's config over it.

    Args:
        defaults: the ``config.yaml`` of the repository.
        overrides: what Snakemake collected from ``--configfile`` and ``--config``; empty for the default run.

    Returns:
        The settings of the run; every collection holds all that applies to it, whether said at its entry or for all.

    Raises:
        ConfigError: every mistake that the config alone shows, each with its key.
    """
    merged = merge_config(read_config(defaults), overrides)
    mistakes = _detector_mistakes(merged)
    try:
        config = read_settings(Config, merged)
    except ConfigError as error:
        raise ConfigError([*error.mistakes, *mistakes]) from None
    collections = {}
    for name, entry in config.collections.items():
        try:
            collections[name] = _with_shared(_with_known(name, entry, config), config, ("collections", name))
        except ConfigError as error:
            mistakes += error.mistakes
    if mistakes:
        raise ConfigError(mistakes)
    return config.model_copy(update={"collections": collections})


def merge_config(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Lay ``overrides`` over ``defaults``: those of `REPLACED_WHOLE` whole, other mappings key by key.

    Naming another extractor leaves the default's weights behind, since they belong to the default's extractor.
    """
    merged = dict(defaults)
    for key, value in overrides.items():
        below = merged.get(key)
        if key in REPLACED_WHOLE or not isinstance(value, Mapping) or not isinstance(below, Mapping):
            merged[key] = value
            continue
        below = dict(below)
        if key == "features" and value.get("extractor", below.get("extractor")) != below.get("extractor"):
            below.pop("weights", None)
        merged[key] = {**below, **value}
    return merged


def detector_settings(name: str, entry: DetectorEntry, key: tuple[str | int, ...] = ()) -> SettingsModel:
    """The settings of an entry of ``detectors``, with every default filled in.

    Args:
        name: of the entry.
        entry: what the user wrote.
        key: where ``detectors`` stands in the config.

    Raises:
        ConfigError: an unknown method, an unknown key, or a value that the method does not take.
    """
    place = (*key, "detectors", name)
    method = entry.method_of(name)
    try:
        model = find_detector(method).settings
    except FirstsightError as error:
        raise ConfigError([Mistake((*place, *(("method",) if entry.method else ())), str(error))]) from None
    given = dict(entry.given)
    if given.pop("preset", None) is None:
        return read_settings(model, given, place)
    if method not in PAPER_SETTINGS:
        raise ConfigError([Mistake((*place, "preset"), f"{method} is of none of the papers, and has no preset")])
    return read_settings(model, PAPER_SETTINGS[method] | given, place)


def _detector_mistakes(config: Mapping[str, Any]) -> list[Mistake]:
    """Mistakes in the settings of detectors, both those for all collections and those of each."""
    holders: list[tuple[tuple[str | int, ...], Any]] = [((), config)]
    if isinstance(config.get("collections"), Mapping):
        holders += [(("collections", name), entry) for name, entry in config["collections"].items()]
    mistakes: list[Mistake] = []
    for key, holder in holders:
        detectors = holder.get("detectors") if isinstance(holder, Mapping) else None
        for name, given in detectors.items() if isinstance(detectors, Mapping) else ():
            try:
                detector_settings(detector_name(str(name)), DetectorEntry.model_validate(given), key)
            except ConfigError as error:
                mistakes += error.mistakes
            except ValueError:
                # An impossible name, or an entry that is no mapping: `Config` refuses these.
                continue
    return mistakes


def _with_known(name: str, entry: CollectionSettings, config: Config) -> CollectionSettings:
    """The entry of new images with the settings of the known collection; any other entry as it is."""
    if entry.assign_to is None:
        return entry
    key, known = ("collections", name), entry.assign_to
    if known not in config.collections:
        text = f"unknown collection {known!r}; {suggestion(known, config.collections)}"
        raise ConfigError([Mistake((*key, "assign_to"), text)])
    other = config.collections[known]
    if other.assign_to is not None:
        raise ConfigError([Mistake((*key, "assign_to"), f"{known} has no clusters of its own")])
    text = f"new images are treated as those of {known}, they have none of their own"
    own = [part for part in (*INHERITED, "reference") if part in entry.model_fields_set]
    if own:
        raise ConfigError([Mistake((*key, part), text) for part in own])
    return entry.model_copy(update={part: getattr(other, part) for part in INHERITED if part in other.model_fields_set})


def _with_shared(entry: CollectionSettings, config: Config, key: tuple[str, ...]) -> CollectionSettings:
    """The entry, with the settings for all collections where it has none of its own."""
    shared = {}
    for name in SharedSettings.model_fields:
        value = getattr(config, name)
        if name in entry.model_fields_set:
            own = getattr(entry, name)
            whole = name in REPLACED_WHOLE or not isinstance(own, SettingsModel)
            value = own if whole else _laid_over(value, own, (*key, name))
        shared[name] = value
    return entry.model_copy(update=shared)


def _laid_over(below: M, own: M, key: tuple[str, ...]) -> M:
    """The settings for all collections, with those of one laid over them key by key."""
    said = {name: getattr(own, name) for name in own.model_fields_set}
    merged = merge_config({key[-1]: dict(below)}, {key[-1]: said})[key[-1]]
    return read_settings(type(below), merged, key)
