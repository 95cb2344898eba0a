"""Config files as a person wrote them: keys that are there twice, and the line of every key."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from firstsight.errors import ConfigError, FirstsightError, Mistake

Key = tuple[str | int, ...]


class Position(NamedTuple):
    """A key of a file, with the keys above it, and its line."""

    key: Key
    file: Path
    line: int


def read_config(path: Path) -> Any:
    """The content of a config file, an empty mapping where it has none.

    Raises:
        FirstsightError: it cannot be read, or is not YAML.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except FileNotFoundError:
        raise FirstsightError(f"config: no such file: {path} (looked for at {path.absolute()})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise FirstsightError(f"config: {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        raise FirstsightError(f"config: {_told(error, path)}") from None


def _told(error: yaml.YAMLError, path: Path) -> str:
    """What is wrong with a file that is not YAML, in one line that begins with its place."""
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is None:
        return f"{path} is not YAML: {' '.join(str(error).split())}"
    place = f"{path}, line {mark.line + 1}"
    if "'\\t'" in str(error):
        return f"{place}: a tab; YAML wants spaces in its place"
    what = ", ".join(filter(None, [error.context, error.problem])) if isinstance(error, yaml.MarkedYAMLError) else ""
    return f"{place} is not YAML: {what}"


def refuse_duplicates(path: Path) -> None:
    """Raise a ConfigError where a config file has a key twice, of which YAML would silently drop the first.

    A file that cannot be read is passed over: whoever needs its content says so.
    """
    seen: set[Key] = set()
    mistakes = []
    for key, _, line in _positions(path):
        # What a merge key brings in may be said again.
        if key in seen and key[-1] != "<<":
            mistakes.append(Mistake(key, f"is there twice (again in {path}, line {line})"))
        seen.add(key)
    if mistakes:
        raise ConfigError(mistakes)


def tell_mistakes(error: ConfigError, files: Sequence[Path]) -> list[str]:
    """One line for each mistake, which names the key as the user wrote it, and its place.

    A setting of one collection may have been written for all; then the line names the key for all.

    Args:
        error: its keys lead to the entry of a collection where a setting belongs to one.
        files: the config files; a later one overrides those before.
    """
    positions = {position.key: position for path in files for position in _positions(path)}
    return list(dict.fromkeys(_tell(mistake, positions) for mistake in error.mistakes))


def _tell(mistake: Mistake, positions: dict[Key, Position]) -> str:
    key = mistake.key
    if key[:1] == ("collections",) and len(key) > 2 and key[:3] not in positions and key[2:3] in positions:
        key = key[2:]
    known = next((key[:end] for end in range(len(key), 0, -1) if key[:end] in positions), None)
    if known is None:
        return str(Mistake(key, mistake.text))
    # A collection may be written as its path alone, without the key `path`.
    if len(key) - len(known) == 1 and key[-1] == "path":
        key = known
    position = positions[known]
    return str(Mistake(key, f"{mistake.text} [{position.file}, line {position.line}]"))


def _positions(path: Path) -> Iterator[Position]:
    """Every key of a file; none if it is not YAML."""
    try:
        nodes: list[tuple[Key, yaml.Node | None]] = [((), yaml.compose(path.read_text(encoding="utf-8")))]
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return
    while nodes:
        place, node = nodes.pop()
        inside: list[tuple[str | int, yaml.Node, yaml.Node]] = []
        if isinstance(node, yaml.MappingNode):
            inside = [(key.value, key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            inside = [(index, value, value) for index, value in enumerate(node.value)]
        for step, marked, value in inside:
            yield Position((*place, step), path, marked.start_mark.line + 1)
            nodes.append(((*place, step), value))
