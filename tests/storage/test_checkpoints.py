"""Checkpoints: what is written comes back, what is damaged or of something else is not used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from firstsight.storage.checkpoints import read_checkpoint, resume_training, write_checkpoint

CONTENT = {"format": 1, "weights": {"a": torch.arange(1000.0)}, "curve": [(1, 0.5), (2, 0.25)]}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "new/checkpoint.pt"
    write_checkpoint(path, CONTENT)
    found = read_checkpoint(path)
    assert torch.equal(found["weights"]["a"], CONTENT["weights"]["a"])  # type: ignore[index]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_training_goes_on_only_from_a_whole_checkpoint_of_the_same(tmp_path: Path) -> None:
    path, notes, loaded = tmp_path / "checkpoint.pt", list[str](), list[dict[str, Any]]()
    assert not resume_training(path, {"format": 1}, loaded.append, notes.append)
    assert notes == []
    write_checkpoint(path, CONTENT)
    assert resume_training(path, {"format": 1}, loaded.append, notes.append)
    assert notes.pop() == "training goes on after epoch 2"
    assert loaded.pop()["curve"] == CONTENT["curve"]
    assert not resume_training(path, {"format": 2}, loaded.append, notes.append)
    assert "is of other settings or images" in notes.pop()
    content = path.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (b"", content[:-500], content[:300], b"x" * 400, flipped):
        path.write_bytes(damaged)
        assert not resume_training(path, {"format": 1}, loaded.append, notes.append)
        assert "is damaged" in notes.pop()
    assert loaded == []


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save({"format": 1, "curve": [], "state": np.random.default_rng}, path)
    loaded: list[dict[str, object]] = []
    notes: list[str] = []
    assert not resume_training(path, {"format": 1}, loaded.append, notes.append)
    assert "is damaged" in notes.pop()
    assert loaded == []


def test_the_same_content_gives_the_same_bytes_under_any_name(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "first.pt", CONTENT)
    write_checkpoint(tmp_path / "second.weights", CONTENT)
    assert (tmp_path / "first.pt").read_bytes() == (tmp_path / "second.weights").read_bytes()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises((AttributeError, TypeError, RuntimeError, ValueError)) as caught:
        write_checkpoint(tmp_path / "checkpoint.pt", {"code": lambda: None})
    assert caught.value is not None
    assert list(tmp_path.iterdir()) == []
