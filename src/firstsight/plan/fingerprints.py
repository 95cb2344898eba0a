"""Short names for settings: they are part of the paths of results, so that old and new are never mixed."""

import hashlib
import json
from collections.abc import Mapping

from firstsight.errors import FirstsightError


def settings_fingerprint(settings: Mapping[str, object]) -> str:
    """Ten hexadecimal digits that name a mapping of settings.

    The digits are the first of the sha256 over canonical JSON: keys sorted at every depth, no white space, UTF-8. A
    tuple counts as a list and a whole float as its integer (``sigma: 3`` and ``sigma: 3.0`` in a config mean the same);
    ``True`` differs from 1 and ``None`` from a missing key.

    Args:
        settings: nested mappings with string keys, sequences, strings, numbers, booleans and None.

    Raises:
        FirstsightError: a value that is none of these, a key that is not a string, a NaN or an infinity.
    """
    text = json.dumps(_canonical(settings, "settings"), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _canonical(value: object, where: str) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if value - value != 0:
            raise FirstsightError(f"{where} is {value}: a setting must be a finite number")
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise FirstsightError(f"{where} has the key {key!r}: keys of settings are strings")
        return {key: _canonical(inner, f"{where}.{key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    raise FirstsightError(f"{where} is a {type(value).__name__}: settings are what JSON can hold")
