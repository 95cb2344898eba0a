"""JSON that one job writes and another reads."""

import json
from pathlib import Path
from typing import Any

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.replacing import replace_file


def read_json(path: Path) -> Any:
    """What `write_json` wrote; DamagedError where it is no JSON any more. A change that leaves it JSON is not seen."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    # Another job may have found it damaged, too, and taken it away.
    except FileNotFoundError as error:
        raise FirstsightError(f"{str(path)!r} does not exist: run again to have it made") from error
    except ValueError as error:
        raise DamagedError(f"{str(path)!r} is damaged, it is not JSON", path) from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON beside ``path`` and rename it there."""
    replace_file(path, lambda beside: beside.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8"))
