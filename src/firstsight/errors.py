"""The errors that a user sees."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class FirstsightError(ValueError):
    """A mistake in what the user gave (config, image, weights, settings); its text is one clear line."""


class WeightsError(FirstsightError):
    """The weights of a network are not there, cannot be read, or belong to another network."""


class Mistake(NamedTuple):
    """One mistake in a config: the key it is about, from the top of the config, and what is wrong there."""

    key: tuple[str | int, ...]
    text: str

    @property
    def says(self) -> str:
        """The key and the text."""
        return ": ".join(filter(None, [".".join(map(str, self.key)), self.text]))

    def __str__(self) -> str:
        return f"config: {self.says}"


class ConfigError(FirstsightError):
    """Mistakes in a config, all that were found; the text has a line for each."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(dict.fromkeys(mistakes))
        super().__init__("\n".join(map(str, self.mistakes)))


class DamagedError(FirstsightError):
    """A result is no longer what the job that made it wrote; ``path`` must be made again."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[type["DamagedError"], tuple[str, Path]]:
        # Dask workers pickle it to hand it to the job.
        return type(self), (str(self), self.path)


def suggestion(name: str, choices: Iterable[str]) -> str:
    """How an error message about an unknown ``name`` ends: with the closest of ``choices``, or with all of them."""
    choices = list(choices)
    closest = difflib.get_close_matches(name, choices, n=1)
    return f"did you mean {closest[0]}?" if closest else f"there are {', '.join(choices)}"
