"""Failures are a line each, and alike ones a line together."""

import pytest

from snakemake_logger_plugin_firstsight.failures import Failure, failure_lines, why


def test_a_failure_is_a_line_with_its_log() -> None:
    (line,) = failure_lines([Failure("detect", "no layer fits", "results/logs/a.log")])
    assert line == "firstsight: detect: no layer fits; log: results/logs/a.log"
    assert failure_lines([Failure("all", "gone", "")]) == ["firstsight: all: gone"]


def test_what_failed_for_one_reason_is_one_line() -> None:
    reasons = {f"{number}.log": "no room" if number != 1 else "damaged" for number in range(4)}
    lines = failure_lines(Failure("features", reason, log) for log, reason in reasons.items())
    assert lines == [
        "firstsight: features: no room; log: 0.log (and 2 more)",
        "firstsight: features: damaged; log: 1.log",
    ]


def test_what_somebody_stopped_has_not_failed() -> None:
    assert failure_lines([Failure("detect", why("died with <Signals.SIGINT: 2>."), "a.log")]) == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("", "failed, and its log does not say why"),
        ("Command 'python' died with <Signals.SIGKILL: 9>.", "was killed (SIGKILL), perhaps for want of memory"),
        ("Command 'python' died with <Signals.SIGTERM: 15>.", "was killed (SIGTERM)"),
        ("Command 'python' died with <Signals.SIGINT: 2>.", "interrupted"),
        ("Command 'python'\nreturned non-zero exit status 3.", "failed, and its log does not say why (exit status 3)"),
        ("SLURM-job '4' failed,\n  OUT_OF_MEMORY", "SLURM-job '4' failed, OUT_OF_MEMORY"),
    ],
)
def test_why_a_job_failed_that_could_not_say_so(message: str, reason: str) -> None:
    assert why(message) == reason
