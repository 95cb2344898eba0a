"""A run as its events and the logs of its jobs tell it."""

import os
from pathlib import Path

from snakemake_logger_plugin_firstsight.run import Run
from snakemake_logger_plugin_firstsight.stages import stage_line


def test_running_jobs_are_known_by_their_logs(tmp_path: Path) -> None:
    run, logs = Run({"detect": 2}), [tmp_path / "1.log", tmp_path / "2.log"]
    for number, log in enumerate(logs):
        run.begin(number, "detect", [str(log)], 0.0)
    run.refresh()
    assert stage_line(run.stages["detect"], 5.0) == "detect: 0 of 2 jobs, 5 s so far"
    for log in logs:
        log.write_text("on cpu\n4 of 16 images in 8.0 s\n5 of 1")
    run.refresh()
    assert stage_line(run.stages["detect"], 10.0) == "detect: 8 of 32 images, 0.8 images/s, 30 s left"
    logs[0].write_text("detect pile fca: 16 images in 30.0 s, 0.5 images/s (read 0.1 s)\n")
    run.end(0, 40.0)
    # The log of a finished job may not be seen yet where another machine wrote it; what it told before counts.
    logs[1].unlink()
    run.end(1, 50.0)
    assert run.stages["detect"].is_done
    assert stage_line(run.stages["detect"], 60.0) == "detect: 20 images in 50 s, 0.4 images/s"
    assert not run.jobs


def test_the_log_of_an_earlier_run_is_not_taken_for_this_one(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text("30 of 32 images in 8.0 s\nfailed: no room\n")
    run = Run({"detect": 1})
    run.begin(1, "detect", [str(log)], 0.0)
    run.refresh()
    assert stage_line(run.stages["detect"], 1.0) == "detect: 1 s so far"
    log.write_text("1 of 32 images in 2.0 s\n")
    run.refresh()
    assert stage_line(run.stages["detect"], 2.0).startswith("detect: 1 of 32 images")


def test_a_job_that_failed_says_why_in_its_log(tmp_path: Path) -> None:
    log, run = tmp_path / "a.log", Run({"detect": 1})
    run.begin(1, "detect", [str(log)], 0.0)
    log.write_text("warning: slow\nfailed: no layer fits\n")
    assert run.fail(1, "detect", [str(log)], "", 1.0).warnings == ("slow",)
    assert list(run.failures.values()) == [("detect", "no layer fits", str(log))]
    assert [stage.name for stage in run.unfinished()] == ["detect"]


def test_a_job_that_is_tried_again_has_not_failed(tmp_path: Path) -> None:
    log, run = tmp_path / "a.log", Run({"detect": 1})
    run.begin(1, "detect", [str(log)], 0.0)
    run.fail(1, "detect", [str(log)], "SLURM-job '4' failed", 1.0)
    assert run.failures
    run.begin(1, "detect", [str(log)], 2.0)
    log.write_text("detect pile: 3 images in 1.0 s\n")
    run.end(1, 3.0)
    assert not run.failures
    assert not list(run.unfinished())


def test_a_job_that_says_nothing_failed_as_snakemake_says(tmp_path: Path) -> None:
    run = Run({"detect": 1})
    run.begin(1, "detect", [str(tmp_path / "a.log")], 0.0)
    run.errors.append("Command died with <Signals.SIGKILL: 9>.")
    run.fail(1, "detect", [str(tmp_path / "a.log")], "", 1.0)
    assert run.failures[1].reason.startswith("was killed (SIGKILL)")


def test_what_snakemake_says_of_one_job_is_not_taken_for_another(tmp_path: Path) -> None:
    run, logs = Run({"detect": 2}), [tmp_path / "0.log", tmp_path / "1.log"]
    for number, log in enumerate(logs):
        run.begin(number, "detect", [str(log)], 0.0)
    logs[0].write_text("failed: no layer fits\n")
    for number, log in enumerate(logs):
        run.errors.append(["exit status 1", "died with <Signals.SIGKILL: 9>"][number])
        run.fail(number, "detect", [str(log)], "", 1.0)
    assert run.failures[0].reason == "no layer fits"
    assert run.failures[1].reason.startswith("was killed (SIGKILL)")
    assert not run.errors


def test_targets_have_no_stage() -> None:
    run = Run({"all": 1})
    run.begin(0, "all", [], 0.0)
    run.end(0, 1.0)
    assert not run.stages


def test_logs_that_have_not_changed_are_not_read_again(tmp_path: Path) -> None:
    log, run = tmp_path / "a.log", Run({"detect": 1})
    run.begin(1, "detect", [str(log)], 0.0)
    log.write_text("1 of 9 images in 1.0 s\n")
    run.refresh()
    times = os.stat(log)
    log.write_text("2 of 9 images in 1.0 s\n")
    os.utime(log, ns=(times.st_atime_ns, times.st_mtime_ns))
    run.refresh()
    assert run.stages["detect"].running[1].done == 1
