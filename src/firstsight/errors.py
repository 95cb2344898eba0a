"""The errors that a user sees."""

from pathlib import Path


class FirstsightError(ValueError):
    """A mistake in what firstsight was given (config, image, weights, settings); its text is one clear line."""


class DamagedError(FirstsightError):
    """A result of an earlier job is not what that job wrote; ``path`` is to be made again."""

    def __init__(self, message: str, path: Path) -> None:
        super().__init__(message)
        self.path = path

    def __reduce__(self) -> tuple[type["DamagedError"], tuple[str, Path]]:
        # It crosses from workers of dask to the job.
        return type(self), (str(self), self.path)
