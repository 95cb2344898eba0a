"""What is known of a run: its stages, the logs of the jobs that are going on, what failed and what was warned of."""

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firstsight.stages.job_log import Told, read_job_log
from snakemake_logger_plugin_firstsight.failures import Failure, why
from snakemake_logger_plugin_firstsight.stages import Stage


@dataclass
class Job:
    """A job that is going on; ``seen``: the state of its log when it was last read."""

    stage: Stage
    log: Path
    seen: tuple[int, int] | None
    told: Told = field(default_factory=Told)


@dataclass
class Run:
    """A run, by the events that Snakemake tells of it; times are seconds of one clock.

    Attributes:
        n_jobs: how many jobs each rule has.
        stages: by rule, in the order in which they began.
        jobs: those that are going on, by Snakemake's number.
        failures: of jobs that have not ended well since, by number.
        errors: what Snakemake said of jobs that failed, and has not yet said which they were.
    """

    n_jobs: Mapping[str, int] = field(default_factory=dict)
    stages: dict[str, Stage] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    errors: deque[str] = field(default_factory=deque)

    def begin(self, number: int, rule: str, logs: Sequence[str], now: float) -> None:
        """A job has begun, or waits in the queue of a cluster; of rules without a log nothing is told."""
        self.failures.pop(number, None)
        if not logs:
            return
        stage = self.stages.setdefault(rule, Stage(rule, max(1, self.n_jobs.get(rule, 1))))
        stage.begin(number, now)
        # What the log of an earlier attempt says is not of this job.
        self.jobs[number] = Job(stage, Path(logs[0]), _state(Path(logs[0])))

    def end(self, number: int, now: float) -> Told:
        """A job has ended well."""
        if (job := self.jobs.pop(number, None)) is None:
            return Told()
        told = _told(job)
        job.stage.end(number, now, images=told.done if told.images is None else told.images)
        return told

    def fail(self, number: int, rule: str, logs: Sequence[str], message: str, now: float) -> Told:
        """A job has failed; ``message``: what Snakemake says of it, which may be nothing."""
        job, told = self.jobs.pop(number, None), Told()
        if job is not None:
            told = _told(job)
            job.stage.end(number, now)
        # Snakemake says what went wrong before it says in which job.
        error = self.errors.popleft() if self.errors else ""
        self.failures[number] = Failure(rule, told.failure or why(message or error), logs[0] if logs else "")
        return told

    def refresh(self) -> None:
        """Read the logs of the jobs that are going on, where they have changed."""
        for number, job in self.jobs.items():
            told = _told(job)
            if number in job.stage.running:
                job.stage.running[number] = told

    def unfinished(self) -> Iterator[Stage]:
        """The stages that have begun and are not done."""
        return (stage for stage in self.stages.values() if not stage.is_done)


def _told(job: Job) -> Told:
    state = _state(job.log)
    if state is not None and state != job.seen:
        job.seen, job.told = state, read_job_log(job.log)
    return job.told


def _state(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
