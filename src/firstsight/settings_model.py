"""What every model of settings shares: strict types, no unknown keys, and mistakes told in one line each.

Settings are pydantic models. A field's type and bounds say what a config may hold there, and the text below it is its
description; the JSON schema, the documentation and the commented ``config.yaml`` are made from these
(`firstsight.plan.settings_documents`). This file imports no torch: the workflow reads settings when it plans.
"""

import types
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from firstsight.errors import ConfigError, Mistake, suggestion


class SettingsModel(BaseModel):
    """A mapping of settings, each with a default; nothing is converted in silence, and nothing changes afterwards."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


M = TypeVar("M", bound=SettingsModel)


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("should be odd")
    return value


def _not_empty(value: Any) -> Any:
    if value == "":
        raise ValueError("should name a file or a folder")
    return value


# YAML has lists for tuples and text for paths.
Layers = Annotated[tuple[str, ...], Field(min_length=1), Strict(False)]
"""Names of feature layers, at least one."""
OddSize = Annotated[int, Field(ge=1, json_schema_extra={"not": {"multipleOf": 2}}), AfterValidator(_odd)]
"""Side of a window that has a centre."""
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
"""More than nothing, at most all."""
UserPath = Annotated[Path, Strict(False), BeforeValidator(_not_empty), AfterValidator(Path.expanduser)]
"""A file or folder as the user wrote it; ``~`` is the home folder."""


def misplaced(key: str | None, text: str) -> PydanticCustomError:
    """The error that a validator of a whole model raises about one of its keys, or (None) about the model itself."""
    return PydanticCustomError("misplaced", "{text}", {"key": key, "text": text})


def read_settings(model: type[M], given: Any, key: Sequence[str | int] = ()) -> M:
    """Make a model of what a user wrote.

    Args:
        model: the kind of settings.
        given: a mapping, as read from YAML.
        key: its place in the config, from the top.

    Raises:
        ConfigError: every mistake, each with the key it is about; an unknown key comes before a missing one.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise ConfigError(_mistakes(model, given, error.errors(include_url=False), tuple(key))) from None


Place = tuple[str | int, ...]

_WORDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "finite",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
    "dict_type": "a mapping (key: value)",
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
    "too_short": "of length {min_length} at least",
    "too_long": "of length {max_length}",
    "missing": "longer",
}
"""What pydantic's kinds of errors ask for, to be read after ``should be``; in braces: the error's own context."""


def _mistakes(model: type[BaseModel], given: Any, errors: Sequence[ErrorDetails], key: Place) -> list[Mistake]:
    """One mistake for each place, though every choice of a union has an error of its own; unknown keys come first."""
    by_place: dict[Place, list[ErrorDetails]] = {}
    for error in errors:
        by_place.setdefault(_place(error, given), []).append(error)
    unknown, others = [], []
    for place, alike in by_place.items():
        if _is_unknown(alike[0]):
            unknown.append(Mistake((*key, *place), _unknown_key(model, place, alike[0])))
        elif not _is_misspelt(alike[0], place, by_place) and not _is_of_its_items(alike[0], place, by_place):
            others.append(_mistake(model, place, alike, key))
    return unknown + others


def _place(error: ErrorDetails, given: Any) -> Place:
    """Where the value lies in what was given; of a key that is missing, where it should lie.

    Pydantic's own place also names the choices of unions, and marks the keys of mappings.
    """
    place: list[str | int] = []
    for step in error["loc"]:
        inside = isinstance(given, Mapping) and step in given
        inside |= isinstance(given, list | tuple) and isinstance(step, int) and step < len(given)
        if inside:
            place.append(step)
            given = given[step]
    if error["type"] == "missing" and isinstance(given, Mapping):
        place.append(error["loc"][-1])
    return tuple(place[:-1] if error["loc"][-1:] == ("[key]",) else place)


def _is_misspelt(error: ErrorDetails, place: Place, by_place: Mapping[Place, Sequence[ErrorDetails]]) -> bool:
    """Whether a key is missing because it was misspelt: then the line about the unknown key says it all."""
    neighbours = (other[-1] for other, alike in by_place.items() if other[:-1] == place[:-1] and _is_unknown(alike[0]))
    return error["type"] == "missing" and any(get_close_matches(str(name), [str(place[-1])]) for name in neighbours)


def _is_of_its_items(error: ErrorDetails, place: Place, by_place: Mapping[Place, Sequence[ErrorDetails]]) -> bool:
    """Whether a list is too short only because items of it are wrong, which have lines of their own."""
    return error["type"] == "too_short" and any(other[:-1] == place for other in by_place)


def _is_unknown(error: ErrorDetails) -> bool:
    return error["type"] == "extra_forbidden"


def _unknown_key(model: type[BaseModel], place: Place, error: ErrorDetails) -> str:
    """An unknown key, or one that only another choice of a union knows."""
    models = [choice for choice in _choices(model, place[:-1]) if issubclass(choice, BaseModel)]
    owners = {name: choice for choice in models for name in _tags(choice) if place[-1] in choice.model_fields}
    if owners:
        chosen = next(str(step) for step in reversed(error["loc"][:-1]) if step not in place)
        return f"has no meaning with {chosen}, only with {', '.join(owners)}"
    known = dict.fromkeys(name for choice in models for name in choice.model_fields)
    return f"unknown key; {suggestion(str(place[-1]), known)}"


def _mistake(model: type[BaseModel], place: Place, alike: Sequence[ErrorDetails], key: Place) -> Mistake:
    error = alike[0]
    value, context = error["input"], error.get("ctx", {})
    match error["type"]:
        case "missing" if place[-1:] == error["loc"][-1:]:
            return Mistake((*key, *place[:-1]), f"the key {place[-1]} is missing{_meaning(model, place)}")
        case "misplaced":
            inner = () if context["key"] is None else (context["key"],)
            return Mistake((*key, *place, *inner), str(context["text"]))
        case "union_tag_not_found":
            return Mistake((*key, *place), f"the key {context['discriminator'].strip(chr(39))} is missing")
        case "union_tag_invalid":
            choices = context["expected_tags"].replace("'", "")
            discriminator = context["discriminator"].strip("'")
            return Mistake((*key, *place, discriminator), f"{context['tag']!r} is not one of {choices}")
        case "value_error":
            text = str(context["error"])
            return Mistake((*key, *place), text if isinstance(value, Mapping) else f"{_shown(value)} {text}")
        case "literal_error" if len(alike) == 1:
            return Mistake((*key, *place), f"{_shown(value)} is not one of {_literals(context['expected'])}")
        case "string_pattern_mismatch":
            return Mistake((*key, *place), f"{_shown(value)} is not valid{_meaning(model, place)}")
    field = _field(model, place)
    asked = [_asked(choice_error) for choice_error in alike]
    if field is not None and type(None) in get_args(field.annotation):
        asked.append("null")
    return Mistake(
        (*key, *place), f"{_shown(value)} should be {' or '.join(dict.fromkeys(asked))}{_meaning(model, place)}"
    )


def _asked(error: ErrorDetails) -> str:
    """What one choice of a union asks of its value."""
    context = error.get("ctx", {})
    if error["type"] == "literal_error":
        return _literals(context["expected"])
    return _WORDS.get(error["type"], error["msg"]).format(**context)


def _shown(value: object) -> str:
    """A value as YAML writes it where Python writes it otherwise."""
    return str(value).lower().replace("none", "null") if value is None or isinstance(value, bool) else repr(value)


def _literals(expected: str) -> str:
    return expected.replace(" or ", ", ").replace("'", "").replace("None", "null")


def _meaning(model: type[BaseModel], place: Place) -> str:
    field = _field(model, place)
    return f" ({first_sentence(field.description)})" if field is not None and field.description else ""


def first_sentence(description: str) -> str:
    """The first sentence of a description, in one line and without the full stop."""
    return " ".join(description.split()).partition(". ")[0].rstrip(".")


def _field(model: type[BaseModel], place: Place) -> FieldInfo | None:
    """The field at a place, where there is one."""
    for choice in _choices(model, place[:-1]) if place else ():
        if issubclass(choice, BaseModel) and place[-1] in choice.model_fields:
            return choice.model_fields[str(place[-1])]
    return None


def _choices(annotation: Any, place: Place = ()) -> list[type]:
    """The types that a value at a place below an annotation may have."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _choices(get_args(annotation)[0], place)
    if origin in (Union, types.UnionType):
        return [choice for member in get_args(annotation) for choice in _choices(member, place)]
    if not place:
        return [origin or annotation] if isinstance(origin or annotation, type) else []
    if origin in (dict, Mapping):
        return _choices(get_args(annotation)[1], place[1:])
    if origin is tuple:
        return _choices(get_args(annotation)[0], place[1:])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and place[0] in annotation.model_fields:
        return _choices(annotation.model_fields[str(place[0])].annotation, place[1:])
    return []


def _tags(model: type[BaseModel]) -> list[str]:
    """The values of a model's fields that can have one value only, by which a union tells its choices apart."""
    single = (
        get_args(field.annotation) for field in model.model_fields.values() if get_origin(field.annotation) is Literal
    )
    return [values[0] for values in single if len(values) == 1]
