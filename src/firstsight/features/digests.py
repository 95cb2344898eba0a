"""What a file is known by: the sha256 of its content."""

import hashlib
from pathlib import Path

from firstsight.errors import FirstsightError


def file_sha256(path: Path) -> str:
    """The sha256 of a weights file, in hexadecimal digits; FirstsightError if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FirstsightError(f"the weights {str(path)!r} cannot be read: {error.strerror}") from error
