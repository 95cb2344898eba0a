"""From what a user wrote to settings: defaults filled in, every key checked, one clear line where one is wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from firstsight.errors import FirstsightError, suggestion

REPLACED_WHOLE = ("collections", "detectors", "threshold")
"""Keys whose value in the user's config stands in place of the default, instead of being merged into it."""


FOR_ALL = ("images_per_job", "features", "detectors", "threshold", "clustering", "evaluation")
"""Keys that hold for all collections, unless one has its own."""

INHERITED = ("features", "detectors", "threshold", "clustering", "contaminated")
"""What new images have from the collection that they are held against."""

FALSE_ALARM_RATE = 0.01
"""The rate where the config asks for false alarms without one."""


@dataclass(frozen=True)
class FeatureSettings:
    """Which features are computed, and how they are stored."""

    extractor: str
    weights: str | None
    image_size: int | tuple[int, int] | str | None
    border: str
    dtype: str
    device: str


@dataclass(frozen=True)
class DetectorChoice:
    """One entry of ``detectors``: the method, and the settings that differ from the method's own defaults."""

    method: str
    settings: dict[str, Any]


@dataclass(frozen=True)
class ThresholdSettings:
    """How the threshold of a collection's maps is found; ``rate`` and ``unit`` or ``value`` where the method has them.

    ``deviations``: see `firstsight.clustering.thresholds.anomaly_threshold`. ``false_alarm_rate``: about this share
    (``rate``) of normal pixels or normal images (``unit``) lies above. ``otsu``. ``fixed``: it is ``value``.
    """

    method: str
    rate: float | None
    unit: str | None
    value: float | None


@dataclass(frozen=True)
class CollectionSettings:
    """One collection with everything that applies to it, whether said at its entry or for all."""

    name: str
    path: Path | None
    missing: Path | None
    layout: str
    texture: str | None
    images_per_job: int | str
    features: FeatureSettings
    detectors: dict[str, DetectorChoice]
    threshold: ThresholdSettings
    clusters: int | str
    oracle: bool
    contrastive: bool
    crop: float
    assign_to: str | None
    reference: Path | None
    contaminated: bool


@dataclass(frozen=True)
class DaskSettings:
    """Where the tasks of jobs over many shards run: ``local``, ``slurm``, or the address of a running scheduler.

    With ``slurm``: so many workers of one core each, with this memory (MB) and time (minutes).
    """

    scheduler: str = "local"
    workers: int = 4
    memory_mb: int = 4000
    minutes: int = 60


@dataclass(frozen=True)
class Settings:
    """A whole run."""

    results: Path
    names: Path | None
    exports: tuple[str, ...]
    gpu_request: str | None
    dask: DaskSettings
    collections: dict[str, CollectionSettings]


def load_settings(defaults: Path, overrides: Mapping[str, Any], schema: Path) -> Settings:
    """Read the default config file, lay the user's config over it, check the outcome against the schema.

    Args:
        defaults: the ``config.yaml`` of the repository.
        overrides: what Snakemake collected from ``--configfile`` and ``--config``; empty for the default run.
        schema: JSON schema (as YAML) of the whole configuration.

    Returns:
        The settings of every collection, with nothing left to fall back on.

    Raises:
        FirstsightError: one line that begins with ``config:`` and names the key.
    """
    config = merge_config(_read_yaml(defaults), overrides)
    check_config(config, _read_yaml(schema))
    entries = {name: _known_settings(name, entry, config) for name, entry in config["collections"].items()}
    collections = {name: _collection_settings(name, entry, config) for name, entry in entries.items()}
    names = Path(config["names"]) if config.get("names") else None
    return Settings(
        results=Path(config["results"]),
        names=names,
        exports=tuple(config["export"]["formats"]),
        gpu_request=config.get("gpu_request"),
        dask=_dask_settings(config.get("dask", {})),
        collections=collections,
    )


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


def check_config(config: Mapping[str, Any], schema: Mapping[str, Any]) -> None:
    """Raise a `FirstsightError` of one line, naming the key, for the most telling breach of the schema."""
    error = best_match(Draft202012Validator(schema).iter_errors(config))
    if error is not None:
        raise FirstsightError(f"config: {_describe(error)}")


def refuse_duplicates(path: Path) -> None:
    """Raise a `FirstsightError` where a config file has a key twice, of which YAML would silently drop the first.

    What cannot be read is left to whoever reads the file for its contents.
    """
    try:
        nodes = [("", yaml.compose(path.read_text(encoding="utf-8")))]
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    while nodes:
        place, node = nodes.pop()
        if not isinstance(node, yaml.MappingNode):
            continue
        seen = set()
        for key, value in node.value:
            name = f"{place}{key.value}"
            if key.value in seen:
                line = key.start_mark.line + 1
                raise FirstsightError(f"config: {name}: is there twice (again in {path}, line {line})")
            # What a merge key brings in may be said again.
            seen |= {key.value} - {"<<"}
            nodes.append((f"{name}.", value))


def _read_yaml(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise FirstsightError(f"config: {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise FirstsightError(f"config: {path} is not YAML: {' '.join(str(error).split())}") from None


def _known_settings(name: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The entry of new images with what applies to the collection that they are held against; others as they are."""
    if "assign_to" not in entry:
        return entry
    key, collections = f"config: collections.{name}", config["collections"]
    known = entry["assign_to"]
    if known not in collections:
        raise FirstsightError(f"{key}.assign_to: unknown collection {known!r}; {suggestion(known, collections)}")
    if "assign_to" in collections[known]:
        raise FirstsightError(f"{key}.assign_to: {known} has no clusters of its own")
    for part in (*INHERITED, "reference"):
        if part in entry:
            raise FirstsightError(
                f"{key}.{part}: new images are treated as those of {known}, they have none of their own"
            )
    return {**{part: collections[known][part] for part in INHERITED if part in collections[known]}, **entry}


def _collection_settings(name: str, entry: Mapping[str, Any], config: Mapping[str, Any]) -> CollectionSettings:
    own = merge_config({key: config[key] for key in FOR_ALL}, entry)
    layout = entry.get("layout", "auto")
    if own["clustering"].get("oracle") and own["clustering"].get("clusters", "auto") != "auto":
        raise FirstsightError(
            f"config: collections.{name}.clustering: oracle and a number of clusters exclude each other"
        )
    if "reference" in entry and entry.get("contaminated"):
        raise FirstsightError(
            f"config: collections.{name}.reference: normal images and contaminated: true exclude each other"
        )
    for unused in ("path", "missing") if layout == "demo" else ("texture",):
        if unused in entry:
            raise FirstsightError(f"config: collections.{name}.{unused}: has no meaning with layout {layout}")
    size = own["features"].get("image_size", "auto")
    features = FeatureSettings(
        extractor=own["features"].get("extractor", "laws"),
        weights=own["features"].get("weights"),
        image_size=(size[0], size[1]) if isinstance(size, list) else size,
        border=own["features"].get("border", "reflect"),
        dtype=own["features"].get("dtype", "float16"),
        device=own["features"].get("device", "auto"),
    )
    return CollectionSettings(
        name=name,
        path=Path(entry["path"]) if "path" in entry else None,
        missing=Path(entry["missing"]) if "missing" in entry else None,
        layout=layout,
        texture=entry.get("texture"),
        images_per_job=own["images_per_job"],
        features=features,
        detectors={detector: _detector_choice(detector, given) for detector, given in own["detectors"].items()},
        threshold=_threshold_settings(name, own["threshold"]),
        clusters=own["clustering"].get("clusters", "auto"),
        oracle=own["clustering"].get("oracle", False),
        contrastive=own["clustering"].get("contrastive", False),
        crop=float(own["evaluation"].get("crop", 0.0)),
        assign_to=entry.get("assign_to"),
        reference=Path(entry["reference"]) if "reference" in entry else None,
        contaminated=entry.get("contaminated", False),
    )


def _detector_choice(name: str, given: Mapping[str, Any] | None) -> DetectorChoice:
    settings = dict(given or {})
    return DetectorChoice(method=str(settings.pop("method", name)), settings=settings)


def _threshold_settings(name: str, given: Mapping[str, Any]) -> ThresholdSettings:
    method, key = given["method"], f"config: collections.{name}.threshold"
    for only, owner in (("rate", "false_alarm_rate"), ("unit", "false_alarm_rate"), ("value", "fixed")):
        if only in given and method != owner:
            raise FirstsightError(f"{key}.{only}: has no meaning with method {method}, only with {owner}")
    if method == "fixed" and "value" not in given:
        raise FirstsightError(f"{key}.value: method fixed needs a value, in the units of the maps")
    counts = method == "false_alarm_rate"
    return ThresholdSettings(
        method=method,
        rate=float(given.get("rate", FALSE_ALARM_RATE)) if counts else None,
        unit=given.get("unit", "pixel") if counts else None,
        value=float(given["value"]) if method == "fixed" else None,
    )


def _dask_settings(given: Mapping[str, Any]) -> DaskSettings:
    settings = DaskSettings(**given)
    for key in given:
        if key != "scheduler" and settings.scheduler != "slurm":
            raise FirstsightError(
                f"config: dask.{key}: has no meaning with scheduler {settings.scheduler}, only with slurm"
            )
    return settings


def _describe(error: Any) -> str:
    key = ".".join(str(step) for step in error.absolute_path)
    place = f"{key}: " if key else ""
    match error.validator:
        case "additionalProperties":
            known = list(error.schema.get("properties", {}))
            unknown = next(name for name in error.instance if name not in known)
            path = f"{key}.{unknown}" if key else str(unknown)
            return f"{path}: unknown key; {suggestion(str(unknown), known)}"
        case "required":
            missing = next(name for name in error.validator_value if name not in error.instance)
            return f"{place}the key {missing} is missing"
        case "enum" | "const":
            choices = error.validator_value if error.validator == "enum" else [error.validator_value]
            return f"{place}{error.instance!r} is not one of {', '.join(map(str, choices))}"
        case "type":
            expected = error.validator_value
            names = expected if isinstance(expected, list) else [expected]
            return f"{place}{error.instance!r} should be of type {' or '.join(names)}{_meaning(error)}"
        case "pattern" | "not" if "propertyNames" in error.absolute_schema_path:
            return f"{place}{error.instance!r} cannot be used as a name here"
        case _:
            return f"{place}{error.instance!r} is not valid{_meaning(error)}"


def _meaning(error: Any) -> str:
    description = error.schema.get("description") if isinstance(error.schema, Mapping) else None
    return f" ({description})" if description else ""
