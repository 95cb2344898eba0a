"""Checks what a user wrote for a detector against the frozen dataclass of its settings."""

import types
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from firstsight.errors import FirstsightError, suggestion

S = TypeVar("S")


def parse_settings(settings_type: type[S], given: Mapping[str, Any], key: str) -> S:
    """Make a detector's settings from the mapping a user gave.

    Args:
        settings_type: a frozen dataclass whose fields all have defaults; field types may be int, float, str, bool,
            None, tuples of these, `Literal`, and unions.
        given: field name to value, as read from YAML (lists stand for tuples).
        key: where it stands in the config, for error messages, for example ``detectors.fca``.

    Raises:
        FirstsightError: an unknown field, a value of another type, or a value the dataclass itself refuses.
    """
    hints = get_type_hints(settings_type)
    names = [field.name for field in fields(settings_type)]  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in names:
            raise FirstsightError(f"{key}.{name}: unknown key; {suggestion(str(name), names)}")
        values[name] = _checked(value, hints[name], f"{key}.{name}")
    try:
        return settings_type(**values)
    except FirstsightError as error:
        raise FirstsightError(f"{key}: {error}") from None


def _checked(value: Any, hint: Any, key: str) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    if not _matches(value, hint):
        raise FirstsightError(f"{key}: {value!r} should be {_words(hint)}")
    return float(value) if hint is float else value


def _matches(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return any(_matches(value, choice) for choice in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        item = get_args(hint)[0]
        return isinstance(value, tuple) and all(_matches(element, item) for element in value)
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return value is None if hint is type(None) else isinstance(value, hint)


def _words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return " or ".join(_words(choice) for choice in get_args(hint))
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if origin is tuple:
        return f"a list of {_words(get_args(hint)[0])}"
    return (
        "null" if hint is type(None) else {int: "a whole number", float: "a number", str: "text"}.get(hint, str(hint))
    )
