"""Write docs/settings.md, the table of all settings: python docs/settings_table.py

Keys, values and meanings are those of the schema; the settings of detectors are those of their dataclasses.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from firstsight.detectors.registry import DETECTORS

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# All settings

Made from `workflow/schemas/config.schema.yaml` and the detectors by `python docs/settings_table.py`.
[configuration.md](configuration.md) explains the keys, [methods.md](methods.md) the methods.

| key | value | meaning |
| --- | --- | --- |
"""
DETECTOR_HEAD = """
## Detectors

Under `detectors.<name>`, with the default behind each; `method` says which one runs where the name is another.

| method | settings |
| --- | --- |
"""


def settings_table() -> str:
    """The text of docs/settings.md."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    rows = [
        f"| `{key}` | {_values(entry)} | {entry.get('description', '')} |\n" for key, entry in _keys(schema, schema)
    ]
    detectors = [f"| `{method}` | {_settings(detector.settings)} |\n" for method, detector in DETECTORS.items()]
    return HEAD + "".join(rows) + DETECTOR_HEAD + "".join(detectors)


def _keys(
    entry: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key that has a value of its own, below an entry of the schema."""
    for name, below in entry.get("properties", {}).items():
        key, own = f"{prefix}{name}", dict(below)
        is_shared = "$ref" in own
        while "$ref" in own:
            own = schema["$defs"][own["$ref"].rpartition("/")[2]]
        # What a collection may say for itself is listed where it holds for all.
        if is_shared and prefix:
            continue
        if "properties" in own:
            yield from _keys(own, schema, f"{key}.")
        elif "$ref" in (each := own.get("additionalProperties") or {}):
            yield from _keys(schema["$defs"][each["$ref"].rpartition("/")[2]], schema, f"{key}.<name>.")
        else:
            yield key, own


def _values(entry: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    if "enum" in entry:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in entry["enum"])
    if "const" in entry:
        return f"`{entry['const']}`"
    if "anyOf" in entry:
        return " or ".join(_values(each) for each in entry["anyOf"])
    kinds = entry["type"] if isinstance(entry["type"], list) else [entry["type"]]
    named = [
        f"list of {_values(entry['items'])}" if kind == "array" else f"`{kind}`" if kind == "null" else kind
        for kind in kinds
    ]
    return " or ".join(named)


def _settings(settings: type) -> str:
    return ", ".join(f"`{field.name}` ({_default(field.default)})" for field in fields(settings))


def _default(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else json.dumps(value).strip('"')


if __name__ == "__main__":
    (ROOT / "docs/settings.md").write_text(settings_table(), encoding="utf-8")
