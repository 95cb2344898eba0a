"""The console of a run: a line for each stage, warnings once, failures last. Snakemake finds it by the package's name.

With ``--verbose``, and with other options that ask Snakemake to say more, Snakemake writes what it always does. Its own
log below ``.snakemake/log`` has everything in any case.
"""

import logging
import os
import sys
import threading
import time
from typing import Any

from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from firstsight.stages.job_log import CONSOLE, QUIET, Told
from snakemake_logger_plugin_firstsight.configs import unreadable_configs
from snakemake_logger_plugin_firstsight.failures import failure_lines
from snakemake_logger_plugin_firstsight.run import Run
from snakemake_logger_plugin_firstsight.screen import Screen
from snakemake_logger_plugin_firstsight.stages import Stage, stage_line

SECONDS_BETWEEN_LOOKS = 1.0
"""So often the logs of running jobs are read; of many jobs more rarely."""
JOBS_A_SECOND = 50
"""At most so many logs are read in a second, which may lie on a network file system."""

_BEFORE_THE_RUN = ("Using ", "Assuming unrestricted shared filesystem usage")
_DURING_THE_RUN = ("Nothing to be done", "Terminating processes on user request")
# The first is followed by the event of the job that failed, the second is all that is said of it.
_OF_A_JOB, _WITHOUT_OUTPUT = "RuleException", "MissingOutputException"
_SAID_BY_FAILURES = ("Exiting because a job execution failed", "At least one job did not complete successfully")


class LogHandler(LogHandlerBase):
    """What Snakemake hands its log records to, in a thread of its own."""

    def __post_init__(self) -> None:
        asked = self.common_settings
        self._is_shown = not (
            asked.dryrun or asked.verbose or asked.printshellcmds or asked.debug_dag or asked.show_failed_logs
        )
        hidden = set(asked.quiet or ())
        self._is_silent, self._has_progress = Quietness.ALL in hidden, Quietness.PROGRESS not in hidden
        self._run, self._screen = Run(), Screen(sys.stderr)
        self._has_begun, self._warned, self._incomplete = False, set[str](), list[str]()
        self._ended, self._lock = threading.Event(), threading.RLock()
        if self._is_shown:
            os.environ[CONSOLE] = QUIET
            threading.Thread(target=self._look_again, daemon=True).start()
        else:
            os.environ.pop(CONSOLE, None)

    @property
    def writes_to_stream(self) -> bool:
        """Snakemake writes itself where this does not."""
        return self._is_shown

    @property
    def writes_to_file(self) -> bool:
        return False

    @property
    def has_filter(self) -> bool:
        return True

    @property
    def has_formatter(self) -> bool:
        return True

    @property
    def needs_rulegraph(self) -> bool:
        return False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._is_shown or self._is_silent:
            return
        try:
            with self._lock:
                self._take(record, time.monotonic())
        except Exception:
            # A fault in what is shown must not end the thread that shows it.
            self.handleError(record)

    def close(self) -> None:
        with self._lock:
            if self._is_shown and not self._ended.is_set():
                self._ended.set()
                self._screen.show([])
                for stage in self._run.unfinished():
                    self._say_stage(stage, time.monotonic())
                for line in [*self._run.errors, *self._incomplete, *failure_lines(self._run.failures.values())]:
                    self._screen.say(line)
        super().close()

    def _take(self, record: logging.LogRecord, now: float) -> None:
        known: dict[str, Any] = vars(record)
        match known.get("event"):
            case LogEvent.WORKFLOW_STARTED:
                self._has_begun = True
            case LogEvent.RUN_INFO:
                self._run.n_jobs = known["stats"]
            case LogEvent.JOB_INFO:
                self._run.begin(known["jobid"], known["rule_name"], known["log"], now)
            case LogEvent.JOB_FINISHED:
                self._end(known["job_id"], now)
            case LogEvent.JOB_ERROR:
                told = self._run.fail(known["jobid"], known["rule_name"], known["log"], known["rule_msg"] or "", now)
                self._warn_of(told)
            case LogEvent.ERROR if known.get("exception") == _OF_A_JOB:
                self._run.errors.append(record.getMessage())
            case LogEvent.ERROR if known.get("exception") == _WITHOUT_OUTPUT:
                self._incomplete.append(f"firstsight: {' '.join(record.getMessage().split())}")
            case LogEvent.ERROR if not self._has_begun and (unreadable := unreadable_configs(sys.argv[1:])):
                for line in unreadable:
                    self._warn(line)
            case LogEvent.ERROR | None:
                self._say_record(record)

    def _end(self, number: int, now: float) -> None:
        job = self._run.jobs.get(number)
        self._warn_of(self._run.end(number, now))
        if job is not None and job.stage.is_done:
            self._say_stage(job.stage, now)
            self._show(now)

    def _say_record(self, record: logging.LogRecord) -> None:
        text = record.getMessage().strip()
        if record.levelno < logging.WARNING:
            said = text.startswith(_DURING_THE_RUN) if self._has_begun else not text.startswith(_BEFORE_THE_RUN)
            if said and text != "None":
                self._screen.say(text)
        elif not any(words in text for words in _SAID_BY_FAILURES):
            self._warn(text)

    def _warn_of(self, told: Told) -> None:
        for warning in told.warnings:
            self._warn(f"firstsight: warning: {warning}")
        for notice in told.notices:
            self._warn(f"firstsight: {notice}")

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            self._screen.say(text)

    def _say_stage(self, stage: Stage, now: float) -> None:
        stage.said = stage.seconds(now)
        if self._has_progress:
            self._screen.say(stage_line(stage, now))

    def _show(self, now: float) -> None:
        if self._has_progress:
            self._screen.show([stage_line(stage, now) for stage in self._run.unfinished() if stage.running])

    def _look_again(self) -> None:
        pause = SECONDS_BETWEEN_LOOKS
        while not self._ended.wait(pause):
            with self._lock:
                now = time.monotonic()
                self._run.refresh()
                if not self._screen.is_terminal:
                    for stage in self._run.unfinished():
                        if stage.is_due(now):
                            self._say_stage(stage, now)
                self._show(now)
                pause = max(SECONDS_BETWEEN_LOOKS, len(self._run.jobs) / JOBS_A_SECOND)
