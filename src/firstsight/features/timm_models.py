"""Any network of timm as an extractor, ``timm/<model>``: what is known of it, measured once and kept.

What planning needs (layers, strides, where cells lie, how far they see) is measured by a process of its own, since
that takes torch and timm, which planning does not import. It is kept as JSON in the user's cache folder.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from firstsight.errors import FirstsightError, WeightsError
from firstsight.features.digests import file_sha256
from firstsight.storage.replacing import replace_file

PREFIX = "timm/"

VERSION = 1
"""Of the measurement and of the features; it is part of every fingerprint."""

_NAME = re.compile(rf"{PREFIX}[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)?")


def is_timm_name(name: str) -> bool:
    """Whether an extractor's name is of the form ``timm/<model>`` or ``timm/<model>.<weights>``."""
    return _NAME.fullmatch(name) is not None


def timm_weights(name: str, weights: str | os.PathLike[str] | None = None) -> Path:
    """The file of a model's weights; its own are downloaded if they are not in the cache of timm's downloads.

    Args:
        name: ``timm/<model>``.
        weights: a file, or None for timm's own.

    Raises:
        WeightsError: there are none, or they cannot be downloaded; the text says the ways out.
        FirstsightError: timm has no such model.
    """
    if weights is not None:
        if not Path(weights).is_file():
            raise WeightsError(f"the weights of {name} are not there: {str(weights)!r} is not a file")
        return Path(weights)
    kept = _kept(name, "weights")
    known = _read(kept).get("file")
    if known is not None and Path(known).is_file():
        return Path(known)
    path = Path(_ask({"do": "find_weights", "name": name})["file"])
    _keep(kept, {"file": str(path)})
    return path


def timm_geometry(name: str, weights: str | os.PathLike[str] | None = None) -> Mapping[str, Any]:
    """What is measured of a model: the fields of `firstsight.features.registry.ExtractorSpec` as plain values.

    Args:
        name: ``timm/<model>``.
        weights: a file, or None for timm's own.

    Raises:
        WeightsError: the weights are not there, or not those of this model.
        FirstsightError: timm has no such model, or none of its layers can be used.
    """
    path = timm_weights(name, weights)
    kept = _kept(name, f"{file_sha256(path)[:16]}-{VERSION}")
    geometry = _read(kept)
    if not geometry:
        print(f"firstsight: measuring {name} once, which may take some minutes", file=sys.stderr)
        geometry = _ask({"do": "measure", "name": name, "weights": str(path)})
        _keep(kept, geometry)
    return geometry


def _kept(name: str, about: str) -> Path:
    folder = user_cache_path("firstsight") / "timm" / version("timm")
    return folder / f"{name.removeprefix(PREFIX)}-{about}.json"


def _read(path: Path) -> dict[str, Any]:
    """What was kept; nothing where it was not, or where the file is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _keep(path: Path, content: Mapping[str, Any]) -> None:
    try:
        replace_file(path, lambda beside: beside.write_text(json.dumps(content, indent=1), encoding="utf-8"))
    except OSError as error:
        print(f"firstsight: {path} cannot be kept for the next run: {error.strerror}", file=sys.stderr)


def _ask(question: Mapping[str, str]) -> dict[str, Any]:
    """The answer of `firstsight.features.timm_measurement`, run as a process of its own."""
    source = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(filter(None, [source, os.getenv("PYTHONPATH")]))
    line = [sys.executable, "-m", "firstsight.features.timm_measurement", json.dumps(question)]
    done = subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": paths})
    last = done.stdout.strip().rpartition("\n")[2]
    if done.returncode != 0 or not last:
        reason = done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        raise FirstsightError(f"{question['name']} cannot be measured: {reason}")
    answer = json.loads(last)
    if "error" in answer:
        raise (WeightsError if answer["about"] == "weights" else FirstsightError)(answer["error"])
    return answer
