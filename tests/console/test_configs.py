"""Which config files a command line names, and what is said of those that cannot be read."""

from pathlib import Path

import pytest

from snakemake_logger_plugin_firstsight.configs import unreadable_configs


def test_each_config_that_cannot_be_read_is_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text("results: out\n")
    Path("empty.yaml").touch()
    Path("tab.yaml").write_text("a:\n\tb: 1\n")
    Path("list.yaml").write_text("- a\n")
    line = ["all", "--cores", "2", "--configfile", "good.yaml", "tab.yaml", "empty.yaml", "--dry-run"]
    assert unreadable_configs([*line, "--configfiles=list.yaml", "--configfile", "none.yaml"]) == [
        "firstsight: config: tab.yaml, line 2: a tab; YAML wants spaces in its place",
        "firstsight: config: list.yaml holds no keys",
        f"firstsight: config: no such file: none.yaml (looked for at {tmp_path / 'none.yaml'})",
    ]


def test_without_configs_there_is_nothing_to_say() -> None:
    assert unreadable_configs(["all", "--cores", "2"]) == []
    assert unreadable_configs(["--configfile"]) == []
