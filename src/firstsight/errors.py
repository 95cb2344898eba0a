"""The errors that a user sees."""

import difflib
from collections.abc import Iterable
from pathlib import Path


class FirstsightError(ValueError):
    """A mistake in what the user gave (config, image, weights, settings); its text is one clear line."""


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
