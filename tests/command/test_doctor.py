"""A line for each thing that a run needs, and what to do where it is not there."""

from pathlib import Path

import pytest

from firstsight.command import doctor
from firstsight.command.doctor import examine


def examined(results: Path) -> tuple[bool, dict[str, str]]:
    lines: list[str] = []
    fine = examine(results, lines.append)
    return fine, {line.split(":")[0].split()[1]: line for line in lines}


def test_this_machine_has_what_the_tests_need(tmp_path: Path) -> None:
    _, lines = examined(tmp_path / "results")
    assert list(lines) == ["versions", "workflow", "cores", "memory", "GPU", "weights", "results", "Slurm", "Chromium"]
    assert "snakemake 9." in lines["versions"]
    assert "at hand for efficientnet_lite0" in lines["weights"]
    assert lines["results"].startswith(f"ok results: {tmp_path / 'results'} can be written to")
    assert not (tmp_path / "results").exists()


def test_what_is_wrong_is_told_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(doctor, "LEAST_MEMORY_GB", 1e6)
    monkeypatch.setattr(doctor, "SNAKEFILE", tmp_path / "Snakefile")
    fine, lines = examined(tmp_path / "file")
    assert not fine
    assert lines["results"] == f"!! results: {tmp_path / 'file'} is not a folder: name another folder by -o"
    assert "--cores 1" in lines["memory"]
    assert "is missing: pip install" in lines["workflow"]
