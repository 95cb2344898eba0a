"""Checkpoints of training and what was learned: whole under their names, read without running anybody's code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from firstsight.errors import DamagedError
from firstsight.storage.archives import refuse_damaged
from firstsight.storage.replacing import replace_file


def write_checkpoint(path: Path, content: Mapping[str, Any]) -> None:
    """Write tensors, numbers and text beside ``path`` and rename them there."""

    def write(beside: Path) -> None:
        with open(beside, "wb") as file:
            # By the path, its name would be in what is written, and the same content would not give the same bytes.
            torch.save(dict(content), file)

    replace_file(path, write)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What torch wrote to a file; DamagedError where it is not what was written, or more than tensors and numbers."""
    refuse_damaged(path)
    try:
        found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    # What is no checkpoint fails in many ways, in pickle and in the types it names.
    except Exception as error:
        raise DamagedError(f"{str(path)!r} is damaged", path) from error
    return found


def resume_training(
    path: Path, header: Mapping[str, Any], load: Callable[[dict[str, Any]], None], note: Callable[[str], None]
) -> bool:
    """Bring training to where a checkpoint left it.

    Args:
        path: of the checkpoint.
        header: entries that it must have, value for value: what is trained on what.
        load: takes its content.
        note: takes a line of text where there is a checkpoint.

    Returns:
        Whether that was done. If not, ``load`` may have changed half of what it changes.
    """
    if not path.exists():
        return False
    try:
        found = read_checkpoint(path)
        if any(found[name] != value for name, value in header.items()):
            note(f"the checkpoint {str(path)!r} is of other settings or images: training begins anew")
            return False
        load(found)
    # A damaged file fails in many ways; all of them mean that training begins anew.
    except Exception:
        note(f"the checkpoint {str(path)!r} is damaged: training begins anew")
        return False
    note(f"training goes on after epoch {len(found['curve'])}")
    return True
