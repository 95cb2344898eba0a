"""Kinds come back from their file as they were, and what is no such file is named."""

from pathlib import Path

import numpy as np
import pytest

from firstsight.clustering.kinds import Kinds
from firstsight.clustering.kinds_file import load_kinds, save_kinds
from firstsight.errors import FirstsightError
from kind_samples import fitted_kinds


@pytest.fixture
def fitted() -> Kinds:
    return fitted_kinds()


def test_kinds_survive_their_file(fitted: Kinds, tmp_path: Path) -> None:
    save_kinds(tmp_path / "deep" / "kinds.npz", fitted)
    again = load_kinds(tmp_path / "deep" / "kinds.npz")
    for field, value in vars(fitted).items():
        if field == "normalisation":
            for part, expected in vars(value).items():
                np.testing.assert_array_equal(getattr(again.normalisation, part), expected)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(again, field), value)
        else:
            assert getattr(again, field) == value
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["kinds.npz"]
    save_kinds(tmp_path / "again.npz", again)
    assert (tmp_path / "again.npz").read_bytes() == (tmp_path / "deep" / "kinds.npz").read_bytes()


def test_files_that_are_no_kinds_are_named(fitted: Kinds, tmp_path: Path) -> None:
    save_kinds(tmp_path / "whole.npz", fitted)
    content = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.npz").write_text("kinds")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "array.npy", np.ones(3))
    np.savez(tmp_path / "other.npz", cluster=np.ones(3))
    np.savez(tmp_path / "pickled.npz", format=np.array([object()]))
    np.savez(tmp_path / "future.npz", format=np.array(99))
    for name in (
        "cut.npz",
        "text.npz",
        "empty.npz",
        "array.npy",
        "other.npz",
        "pickled.npz",
        "future.npz",
        "absent.npz",
    ):
        with pytest.raises(FirstsightError, match=name) as error:
            load_kinds(tmp_path / name)
        assert "\n" not in str(error.value)
