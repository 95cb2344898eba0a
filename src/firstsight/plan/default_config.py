"""The commented config.yaml of a run in which nothing is set, made from the models of the settings."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from firstsight.plan.settings import CollectionSettings, Config, SharedSettings
from firstsight.plan.threshold_settings import ThresholdSettings
from firstsight.settings_model import SettingsModel

WIDTH = 120
FIRST = ("results", "images_per_job", "collections")
"""Keys that a reader looks for first; the others follow in the order of the models."""

HEAD = """\
# The default run: the demo collections, which the workflow makes itself. It downloads nothing: the weights of its
# network were installed with firstsight.
# `snakemake --configfile mine.yaml` uses yours: its `collections`, `detectors` and `threshold` replace those below,
# other keys fall back to this file. docs/settings.md lists all keys. This file is made by `make settings`.
"""


HEAD_OF_ONES_OWN = """\
# A config to start from: every key with its default. `firstsight run --config mine.yaml` runs it.
# What you leave out keeps its default; docs/settings.md lists all keys.
"""


def default_config(collections: Mapping[str, CollectionSettings] | None = None) -> str:
    """The text of a config: every key with its default, below a comment that says what it is.

    Args:
        collections: those of a user; None for ``config.yaml``, which has the demo collections.
    """
    fields = Config.model_fields
    names = [*FIRST, *(name for name in fields if name not in FIRST)]
    defaults = {name: fields[name].get_default() for name in names} | (
        {"collections": collections} if collections else {}
    )
    head = HEAD_OF_ONES_OWN if collections else HEAD
    return head + "".join(f"\n{''.join(_key(name, fields[name], defaults[name]))}" for name in names)


def _key(name: str, field: FieldInfo, default: Any) -> Iterator[str]:
    """The lines of a key at the top of the config."""
    yield from _comment(str(field.description))
    if name == "collections":
        own = [key for key in CollectionSettings.model_fields if key not in SharedSettings.model_fields]
        for key in own:
            yield from _comment(f"  {key}: {CollectionSettings.model_fields[key].description}", indent="      ")
    if name == "threshold":
        for choice in get_args(get_args(ThresholdSettings)[0]):
            yield from _comment(f"  {_inline(_plain(choice))}: {choice.__doc__}", indent="      ")
    if isinstance(default, SettingsModel) and len(type(default).model_fields) > 1:
        yield f"{name}:\n"
        for inner, below in type(default).model_fields.items():
            choices = f" One of {', '.join(below.examples)}." if below.examples else ""
            yield from _comment(f"{below.description}{choices}", "  # ")
            mark = "" if _has_meaning(default, inner) else "# "
            yield f"  {mark}{inner}: {_inline(getattr(default, inner))}\n"
    elif name == "collections":
        yield f"{name}:\n"
        for collection, settings in default.items():
            yield f"  {collection}: {_inline(settings.model_dump(exclude_unset=True))}\n"
    else:
        yield f"{name}: {_inline(default)}\n"


def _has_meaning(default: SettingsModel, key: str) -> bool:
    """Whether a key may be given while all others have their defaults."""
    try:
        type(default).model_validate({key: getattr(default, key)})
    except ValidationError:
        return False
    return True


def _plain(choice: type[SettingsModel]) -> dict[str, Any]:
    """A threshold as one would write it; a value that has no default is shown as a number."""
    return {key: 12.5 if field.is_required() else field.default for key, field in choice.model_fields.items()}


def _comment(text: str, start: str = "# ", indent: str = "") -> Iterator[str]:
    words = text[len(text) - len(text.lstrip()) :]
    lead = start + " " * (len(text) - len(text.lstrip()))
    lines = textwrap.wrap(
        " ".join(words.replace("``", "`").split()),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=start + indent,
        break_on_hyphens=False,
    )
    yield from (f"{line}\n" for line in lines)


def _inline(value: Any) -> str:
    """A value in YAML, in one line."""
    plain = to_jsonable_python(value, exclude_none=True)
    text = yaml.safe_dump(plain, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("...\n").strip()
