"""From data sets that are there to the collections of a config: a data set with each preset, and with the defaults."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from firstsight.collections.listing import list_collection
from firstsight.collections.readers import find_normal_images
from firstsight.detectors.registry import find_detector
from firstsight.papers.data_sets import DATA_SETS, Found, SheetRow
from firstsight.papers.presets import DEFAULTS, PAPER_SETTINGS, PRESETS, Preset
from firstsight.papers.published import PUBLISHED, Published
from firstsight.papers.trunks import Trunk, find_trunk, weights_in

ALWAYS = "blind"
"""firstsight's default detector, which runs with its own settings on every data set."""

TIMED_IMAGES = 3
"""So many images tell how long a method takes for one."""


class Experiment(NamedTuple):
    """A collection of a config, and what it stands for in the papers' tables.

    name: of the collection.
    collection: its entry of ``collections``, but for ``path`` and ``layout``.
    paper: its entry of ``papers``.
    found: the images.
    """

    name: str
    collection: dict[str, Any]
    paper: dict[str, Any]
    found: Found


def experiments(found: Sequence[Found], weights: Path | None) -> Iterator[Experiment]:
    """Every data set with each of the presets that have a figure of it, then with firstsight's own settings; in the end
    some images of the first at the sizes of which the papers print times.

    A preset whose network is not there, nor another in its place, is left out. Methods that learn from normal images
    are left out where a data set has none.

    Args:
        found: the data sets.
        weights: folder of weights (`find_trunk`).
    """
    for texture in found:
        figures = [figure for figure in PUBLISHED if is_about(figure, texture.data_set, texture.texture)]
        presets = [name for name in PRESETS if any(figure.preset == name for figure in figures)]
        normal = bool(find_normal_images(texture.path, texture.layout)) if texture.layout == "mvtec" else False
        for name in presets:
            wanted = dict.fromkeys(figure.detector for figure in figures if figure.preset == name)
            entries = {
                detector: entry
                for detector, entry in PRESETS[name].detectors.items()
                if detector in wanted and _may_run(entry["method"], normal)
            }
            extractor = PRESETS[name].extractor
            trunk = Trunk({}) if extractor is None else find_trunk(extractor, weights)
            if trunk is not None and entries:
                chosen = _with_weights(entries, trunk, weights)
                for kind, part in _by_kind(texture, PRESETS[name]):
                    yield _with_preset(part, name, _changed(chosen, PRESETS[name].by_kind.get(kind, {})), trunk)
        beside = {method for name in presets for method in PRESETS[name].beside.values() if _may_run(method, normal)}
        detectors = {method: _own_weights(method, weights) for method in sorted({ALWAYS, *beside})}
        yield Experiment(f"{texture.name}__{DEFAULTS}", {"detectors": detectors}, _about(texture, DEFAULTS), texture)
    yield from _costs(found[0], weights)


def _costs(texture: Found, weights: Path | None) -> Iterator[Experiment]:
    """The presets of costs on some images of a texture, whatever they show."""
    rows = texture.rows or _rows(texture)
    some = replace(texture, layout="sheet", rows=tuple(rows[:TIMED_IMAGES]), part="")
    for name in dict.fromkeys(figure.preset for figure in PUBLISHED if figure.data_set is None and figure.preset):
        extractor = PRESETS[name].extractor
        trunk = None if extractor is None else find_trunk(extractor, weights)
        if trunk is not None:
            experiment = _with_preset(some, name, _with_weights(PRESETS[name].detectors, trunk, weights), trunk)
            # Methods that learn from normal images take as long whatever they learned from.
            yield experiment._replace(name=name, collection=experiment.collection | {"contaminated": True})


def _rows(texture: Found) -> list[SheetRow]:
    files = list_collection(texture.path, texture.layout).files
    return [SheetRow(file.path, next(iter(file.masks), None), file.label or "") for file in files]


def is_about(figure: Published, data_set: str, texture: str) -> bool:
    """Whether a figure is about a texture of a data set, or about all of the set."""
    return figure.data_set == data_set and figure.texture in (None, texture)


def _may_run(method: str, normal: bool) -> bool:
    return normal or not find_detector(method).normal


def _own_weights(method: str, weights: Path | None) -> dict[str, Any]:
    """The setting ``weights`` of a detector that has a network of its own, where its file is there."""
    network = find_detector(method).weights_of
    file = weights_in(weights, network) if network else None
    return {} if file is None else {"weights": str(file)}


def _by_kind(texture: Found, preset: Preset) -> Iterator[tuple[str, Found]]:
    """A data set in parts, by the kinds that a preset has settings of its own for; the kind of the rest is empty."""
    kinds: dict[str, list[SheetRow]] = {}
    if preset.by_kind:
        for row in _rows(texture):
            kind = row.label.lower()
            kinds.setdefault(kind if kind in preset.by_kind else "", []).append(row)
    if set(kinds) <= {""}:
        yield "", texture
        return
    for kind, rows in kinds.items():
        yield kind, replace(texture, kind=kind, layout="sheet", rows=tuple(rows))


def _changed(detectors: dict[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {detector: {**entry, **settings.get(detector, {})} for detector, entry in detectors.items()}


def _with_preset(texture: Found, name: str, detectors: dict[str, Any], trunk: Trunk) -> Experiment:
    preset = PRESETS[name]
    collection = {
        "features": {**trunk.features, **preset.features},
        "detectors": detectors,
        "evaluation": {"crop": preset.crop},
    }
    differs = [trunk.differs, preset.note]
    return Experiment(f"{texture.name}__{name}", collection, _about(texture, name, *differs), texture)


def _with_weights(entries: Mapping[str, Mapping[str, Any]], trunk: Trunk, weights: Path | None) -> dict[str, Any]:
    """Entries of a preset with the layers and the weights that are there."""
    return {
        detector: dict(entry) | _renamed_layers(entry, trunk) | _own_weights(entry["method"], weights)
        for detector, entry in entries.items()
    }


def _renamed_layers(entry: Mapping[str, Any], trunk: Trunk) -> dict[str, Any]:
    """The layers that an entry reads, where the network has other names for them."""
    layers = entry.get("layers", PAPER_SETTINGS[entry["method"]].get("layers"))
    return {"layers": [trunk.layers[layer] for layer in layers]} if layers and trunk.layers else {}


def _about(texture: Found, preset: str, *differs: str) -> dict[str, Any]:
    lines = [*differs, texture.part, DATA_SETS[texture.data_set].note]
    return {
        "data_set": texture.data_set,
        "texture": texture.texture,
        "preset": preset,
        "differs": [line for line in lines if line],
    }
