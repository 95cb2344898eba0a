"""What Snakemake tells, and what of it is shown."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from snakemake.settings.enums import Quietness
from snakemake.settings.types import OutputSettings
from snakemake_interface_logger_plugins.common import LogEvent
from snakemake_interface_logger_plugins.registry import LoggerPluginRegistry

from firstsight.stages.job_log import CONSOLE, QUIET
from snakemake_logger_plugin_firstsight import LogHandler

PROFILE = Path(__file__).resolve().parents[2] / "workflow/profiles/default/config.yaml"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(CONSOLE, raising=False)
    yield
    os.environ.pop(CONSOLE, None)


def tell(handler: LogHandler, message: str | None = "", *, level: int = logging.INFO, **known: Any) -> None:
    record = logging.LogRecord("snakemake", level, __file__, 1, message, (), None)
    vars(record).update(known)
    handler.handle(record)


def begin(handler: LogHandler, number: int, log: Path) -> None:
    tell(handler, event=LogEvent.JOB_INFO, jobid=number, rule_name="detect", log=[str(log)])


def begin_run(handler: LogHandler, **n_jobs: int) -> None:
    tell(handler, "Workflow has started!", event=LogEvent.WORKFLOW_STARTED)
    tell(handler, "Job stats: ...", event=LogEvent.RUN_INFO, stats={**n_jobs, "total": sum(n_jobs.values())})


def test_snakemake_finds_it_and_the_default_profile_asks_for_it() -> None:
    assert LoggerPluginRegistry().is_installed("firstsight")
    assert yaml.safe_load(PROFILE.read_text())["logger"] == ["firstsight"]


def test_a_run_is_a_line_a_stage_warnings_once_and_failures_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs = [tmp_path / f"{number}.log" for number in range(3)]
    handler = LogHandler(OutputSettings(), None)
    assert handler.writes_to_stream
    assert os.environ[CONSOLE] == QUIET
    tell(handler, "Assuming unrestricted shared filesystem usage.")
    begin_run(handler, detect=3)
    tell(handler, "Select jobs to execute...")
    tell(handler, None, event=LogEvent.SHELLCMD)
    for number, log in enumerate(logs):
        begin(handler, number, log)
        log.write_text("warning: UserWarning: odd\ndetect pile fca: 4 images in 1.0 s, 4.0 images/s\n")
    logs[1].write_text("warning: UserWarning: odd\nfailed: no layer fits\n")
    tell(handler, event=LogEvent.JOB_FINISHED, job_id=0)
    failed = {"jobid": 1, "rule_name": "detect", "rule_msg": None, "log": [str(logs[1])]}
    tell(handler, "CalledProcessError", level=logging.ERROR, event=LogEvent.ERROR, exception="RuleException")
    tell(handler, "Error in rule", level=logging.ERROR, event=LogEvent.JOB_ERROR, **failed)
    for _ in range(2):
        tell(handler, "a disk is slow", level=logging.WARNING)
    tell(handler, event=LogEvent.JOB_FINISHED, job_id=2)
    tell(handler, "Exiting because a job execution failed. Look above", level=logging.ERROR)
    tell(handler, "Complete log(s): x")
    handler.close()
    handler.close()
    warning, slow, stage, failure = capsys.readouterr().err.splitlines()
    assert warning == "firstsight: warning: UserWarning: odd"
    assert slow == "a disk is slow"
    assert stage.startswith("detect: 8 images, 2 of 3 jobs in 0 s")
    assert failure == f"firstsight: detect: no layer fits; log: {logs[1]}"


def test_what_stops_a_run_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogHandler(OutputSettings(), None)
    tell(handler, "Unlocked working directory.")
    begin_run(handler, detect=1)
    tell(handler, "Nothing to be done (all there).")
    locked = "Directory cannot be locked."
    tell(handler, locked, level=logging.ERROR, event=LogEvent.ERROR, exception="LockException")
    handler.close()
    shown = capsys.readouterr().err.splitlines()
    assert shown == ["Unlocked working directory.", "Nothing to be done (all there).", locked]


def test_an_error_that_no_job_had_is_said_too(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogHandler(OutputSettings(), None)
    tell(handler, "two rules alike", level=logging.ERROR, event=LogEvent.ERROR, exception="RuleException")
    handler.close()
    assert capsys.readouterr().err == "two rules alike\n"


def test_a_config_that_cannot_be_read_is_a_line_in_place_of_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text("a: 1\n")
    error: dict[str, Any] = {"level": logging.ERROR, "event": LogEvent.ERROR, "exception": "FileNotFoundError"}
    handler = LogHandler(OutputSettings(), None)
    monkeypatch.setattr("sys.argv", ["snakemake", "--configfile", str(tmp_path / "mine.yaml")])
    tell(handler, "another file is not there", **error)
    monkeypatch.setattr("sys.argv", ["snakemake", "--configfile", str(tmp_path / "nothere.yaml")])
    tell(handler, "Traceback (most recent call last):\n...", **error)
    begin_run(handler, detect=1)
    tell(handler, "another one", **error)
    handler.close()
    path = tmp_path / "nothere.yaml"
    line = f"firstsight: config: no such file: {path} (looked for at {path})"
    assert capsys.readouterr().err.splitlines() == ["another file is not there", line, "another one"]


def test_a_job_that_left_no_file_is_a_line_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogHandler(OutputSettings(), None)
    text = "MissingOutputException in rule detect:\nMissing files after 5 seconds:\nmaps"
    tell(handler, text, level=logging.ERROR, event=LogEvent.ERROR, exception="MissingOutputException")
    assert capsys.readouterr().err == ""
    handler.close()
    line = "firstsight: MissingOutputException in rule detect: Missing files after 5 seconds: maps\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("option", ["verbose", "printshellcmds", "debug_dag", "show_failed_logs", "dryrun"])
def test_snakemakes_own_options_bring_its_own_words_back(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogHandler(OutputSettings(**{option: True}), None)
    assert not handler.writes_to_stream
    assert CONSOLE not in os.environ
    tell(handler, "a disk is slow", level=logging.WARNING)
    handler.close()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("hidden", "expected"), [(Quietness.PROGRESS, ["odd"]), (Quietness.ALL, [])])
def test_quiet_hides_what_it_names(
    hidden: Quietness, expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handler = LogHandler(OutputSettings(quiet={hidden}), None)
    begin_run(handler, detect=1)
    begin(handler, 1, tmp_path / "a.log")
    tell(handler, event=LogEvent.JOB_FINISHED, job_id=1)
    tell(handler, "odd", level=logging.WARNING)
    handler.close()
    assert capsys.readouterr().err.splitlines() == expected


def test_a_long_stage_speaks_while_it_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snakemake_logger_plugin_firstsight.SECONDS_BETWEEN_LOOKS", 0.05)
    monkeypatch.setattr("snakemake_logger_plugin_firstsight.stages.FIRST_LINE", 0.2)
    handler, log = LogHandler(OutputSettings(), None), tmp_path / "a.log"
    begin_run(handler, fit=1)
    tell(handler, event=LogEvent.JOB_INFO, jobid=1, rule_name="fit", log=[str(log)])
    log.write_text("10 of 50 steps in 30.0 s\n")
    shown = ""
    for _ in range(200):
        handler._ended.wait(0.05)
        if shown := capsys.readouterr().err:
            break
    handler.close()
    assert shown.splitlines()[0] == "fit: 10 of 50 steps, 2 min left"
