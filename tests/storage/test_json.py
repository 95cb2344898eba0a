"""JSON between jobs: whole or not there, and what is damaged is told from what is missing."""

import json
from pathlib import Path

import pytest

from firstsight.errors import DamagedError, FirstsightError
from firstsight.storage.json import read_json, write_json


def test_what_is_written_is_read(tmp_path: Path) -> None:
    content = {"caf\u00e9": [1, 2.5, None, True], "": {}}
    write_json(tmp_path / "a.json", content)
    assert read_json(tmp_path / "a.json") == content
    assert "caf\u00e9" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_is_whole_or_not_there(tmp_path: Path) -> None:
    path = tmp_path / "deep/a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


@pytest.mark.parametrize("content", [b"", b"\x80{}", b'{"a": 1}}'])
def test_what_is_no_json_is_damaged(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"a.json' is damaged"):
        read_json(tmp_path / "a.json")


def test_what_another_job_took_away_is_to_be_made_again(tmp_path: Path) -> None:
    with pytest.raises(FirstsightError, match=r"a.json' does not exist: run again to have it made$"):
        read_json(tmp_path / "a.json")
