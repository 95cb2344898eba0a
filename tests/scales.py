"""Scales of collections for stages that are tested without the job that finds them."""

from dataclasses import asdict
from pathlib import Path

from firstsight.features.texture_scale import Scale
from firstsight.storage.json import write_json


def write_scale(folder: Path, scale: Scale | None = None) -> Path:
    """The file that `find_scale` would write; None: the usual scale."""
    path = folder / "scale.json"
    write_json(path, asdict(scale or Scale()))
    return path
