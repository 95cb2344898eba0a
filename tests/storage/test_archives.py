"""What numpy and torch write: a flipped bit is refused, or changes nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.archives import read_arrays, refuse_damaged
from firstsight.storage.checkpoints import read_checkpoint
from firstsight.storage.json import read_json

VALUES = np.random.default_rng(0).normal(size=50)


def write_arrays(path: Path) -> None:
    np.savez(path, values=VALUES)


def write_tensors(path: Path) -> None:
    torch.save({"values": torch.from_numpy(VALUES)}, path)


def read_tensors(path: Path, name: str) -> list[np.ndarray]:
    return [read_checkpoint(path)[name].numpy()]


@pytest.mark.parametrize(
    ("name", "write", "read"), [("a.npz", write_arrays, read_arrays), ("a.pt", write_tensors, read_tensors)]
)
def test_a_flipped_bit_is_refused_or_changes_nothing(
    tmp_path: Path, name: str, write: Callable[[Path], None], read: Callable[[Path, str], list[np.ndarray]]
) -> None:
    path = tmp_path / name
    write(path)
    whole = path.read_bytes()
    refused = 0
    for place in range(0, len(whole), 7):
        flipped = bytearray(whole)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            (found,) = read(path, "values")
        except DamagedError:
            refused += 1
            continue
        np.testing.assert_array_equal(found, VALUES)
    assert refused > VALUES.nbytes / 7, "more than the values themselves are covered"


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_what_is_cut_off_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, values=VALUES)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedError, match=r"a.npz' is damaged$"):
        refuse_damaged(path)


def test_what_another_job_took_away_is_one_line(tmp_path: Path) -> None:
    for refuse in (refuse_damaged, read_json):
        with pytest.raises(FirstsightError, match=r"a.npz' does not exist: run again to have it made$"):
            refuse(tmp_path / "a.npz")
