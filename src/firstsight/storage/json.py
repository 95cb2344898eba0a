"""JSON that one job writes and another reads."""

import json
from pathlib import Path
from typing import Any

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.replacing import replace_file


def read_json(path: Path) -> Any:
    """What `write_json` wrote; DamagedError if it is no longer JSON. A change that leaves valid JSON goes unnoticed."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    # Another job may also have noticed the damage and removed the file.
    except FileNotFoundError as error:
        raise FirstsightError(f"{str(path)!r} does not exist: run again to have it made") from error
    except ValueError as error:
        raise DamagedError(f"{str(path)!r} is damaged, it is not JSON", path) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON beside ``path``, then rename it to ``path``."""
    replace_file(path, lambda beside: beside.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8"))
