"""Config files that Snakemake was told to read and could not: it ends with a traceback, or without their names."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from firstsight.errors import FirstsightError
from firstsight.plan.config_files import read_config

_OPTIONS = ("--configfile", "--configfiles")


def unreadable_configs(arguments: Sequence[str]) -> list[str]:
    """One line for each config file on Snakemake's command line that cannot be read.

    Args:
        arguments: the command line, without the program.
    """
    lines = []
    for path in _config_files(arguments):
        try:
            if not isinstance(read_config(path), Mapping):
                lines.append(f"firstsight: config: {path} holds no keys")
        except FirstsightError as error:
            lines.append(f"firstsight: {error}")
    return lines


def _config_files(arguments: Sequence[str]) -> list[Path]:
    files: list[Path] = []
    for place, argument in enumerate(arguments):
        option, _, value = argument.partition("=")
        if option in _OPTIONS:
            following = takewhile(lambda given: not given.startswith("-"), arguments[place + 1 :])
            files += map(Path, [value] if value else following)
    return files
