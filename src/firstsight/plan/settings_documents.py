"""What is made from the models of the settings for people and for editors: a JSON schema and a table."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from firstsight.detectors.registry import DETECTORS
from firstsight.plan.settings import Config, DetectorEntry

TABLE_HEAD = """\
# All settings

Made from the models in `src/firstsight/plan` and in the files of the detectors, by `make settings`.
[configuration.md](configuration.md) explains how they work together, [methods.md](methods.md) the methods.

"""
DETECTORS_HEAD = """
## Detectors

Under `detectors.<name>`; `method` says which one runs where the name is another. `preset: paper` stands for the
settings of the method's paper, as far as the entry does not say otherwise (all but `rpca` have one).
"""

_OF_DETECTORS = ("additionalProperties", "minProperties", "type")


def json_schema() -> dict[str, Any]:
    """The JSON schema of a config, with the settings of every detector under its name.

    Editors complete and check a config by it; firstsight itself checks by the models. This imports every detector.
    """
    schema = Config.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "firstsight configuration"}
    entries = {}
    for name, detector in DETECTORS.items():
        settings = detector.settings.model_json_schema()
        definitions = settings.pop("$defs", {})
        schema["$defs"] |= definitions
        settings["properties"]["method"] = {"const": name, "description": "The detector's own name."}
        settings["properties"]["preset"] = DetectorEntry.model_json_schema()["properties"]["preset"]
        schema["$defs"][settings["title"]] = settings
        entries[name] = {"anyOf": [{"$ref": f"#/$defs/{settings['title']}"}, _another_method(name), {"type": "null"}]}
    shared = schema["properties"]["detectors"]
    schema["$defs"]["Detectors"] = {"properties": entries} | {key: shared.pop(key) for key in _OF_DETECTORS}
    for owner in (schema, schema["$defs"]["CollectionSettings"]):
        below = owner["properties"]["detectors"]
        kept = {key: value for key, value in below.items() if key not in _OF_DETECTORS}
        owner["properties"]["detectors"] = {"$ref": "#/$defs/Detectors", **kept}
    collections = schema["properties"]["collections"]
    collections["additionalProperties"] = {"anyOf": [collections["additionalProperties"], {"type": "string"}]}
    verdicts = schema["properties"]["verdicts"]
    verdicts["anyOf"] = [{"$ref": verdicts.pop("$ref")}, {"type": "string"}, {"type": "null"}]
    return schema


def _another_method(name: str) -> dict[str, Any]:
    """An entry that has the name of one detector and runs another."""
    return {"type": "object", "properties": {"method": {"not": {"const": name}}}, "required": ["method"]}


def settings_table() -> str:
    """The text of ``docs/settings.md``: every key, its values, its default and its meaning."""
    schema = json_schema()
    rows = "".join(_row(key, entry) for key, entry in _keys(schema, schema))
    detectors = "".join(_detector_table(name, schema) for name in DETECTORS)
    return TABLE_HEAD + _table_head() + rows + DETECTORS_HEAD + detectors


def _detector_table(name: str, schema: Mapping[str, Any]) -> str:
    model = DETECTORS[name].settings
    properties = model.model_json_schema()["properties"]
    rows = "".join(_row(key, _resolved(entry, schema)) for key, entry in properties.items() if key != "method")
    return f"\n### {name}\n\n{_table_head()}{rows}"


def _table_head() -> str:
    return "| key | value | default | meaning |\n| --- | --- | --- | --- |\n"


def _row(key: str, entry: Mapping[str, Any]) -> str:
    default = f"`{json.dumps(entry['default']).strip(chr(34))}`" if "default" in entry else ""
    meaning = " ".join(entry.get("description", "").split()).replace("|", "\\|").replace("``", "`")
    return f"| `{key}` | {_values(entry)} | {default} | {meaning} |\n"


def _keys(
    entry: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every key below an entry of the schema that has a value of its own.

    What a collection may say for itself is listed where it holds for all.
    """
    for name, below in entry.get("properties", {}).items():
        key, own = f"{prefix}{name}", _resolved(below, schema)
        if prefix.startswith("collections.") and name in schema["properties"]:
            continue
        if name == "collections":
            entries = own["additionalProperties"]["anyOf"][0]
            yield from _keys(_resolved(entries, schema), schema, f"{key}.<name>.")
        elif name == "verdicts":
            yield from _keys(_resolved(own["anyOf"][0], schema), schema, f"{key}.")
        elif name == "detectors":
            yield key, {"type": "object", "description": own["description"]}
        elif "discriminator" in own:
            choices = [_resolved(choice, schema) for choice in own["oneOf"]]
            methods = [choice["properties"]["method"]["const"] for choice in choices]
            default = own["default"]["method"]
            yield f"{key}.method", {"enum": methods, "default": default, "description": own["description"]}
            for method, choice in zip(methods, choices, strict=True):
                for field, about in choice["properties"].items():
                    if field != "method":
                        yield f"{key}.{field}", {**about, "description": f"With {method}: {about['description']}"}
        elif "properties" in own:
            yield from _keys(own, schema, f"{key}.")
        else:
            yield key, own


def _resolved(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """An entry of the schema with what it refers to filled in; what it says itself comes first."""
    own = dict(entry)
    if "$ref" in own:
        own = {**schema["$defs"][own.pop("$ref").rpartition("/")[2]], **own}
    return own


def _values(entry: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    if "enum" in entry:
        return ", ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in entry["enum"])
    if "examples" in entry:
        return ", ".join(f"`{value}`" for value in entry["examples"])
    if "const" in entry:
        return f"`{entry['const']}`"
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_values(choice) for choice in entry["anyOf"]))
    if "prefixItems" in entry:
        return f"list of {len(entry['prefixItems'])}"
    if entry["type"] == "array":
        return f"list of {_values(entry['items'])}"
    return {"null": "`null`", "integer": "whole number", "object": "mapping", "string": "text"}.get(
        entry["type"], entry["type"]
    )
