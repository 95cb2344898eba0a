"""Jobs that failed: one line each, or one for several that failed for the same reason."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from firstsight.stages.job_log import INTERRUPTED

_SIGNAL = re.compile(r"died with <Signals\.(\w+)")
_STATUS = re.compile(r"returned non-zero exit status (\d+)")


class Failure(NamedTuple):
    """A job that failed; ``log``: the path of its log, empty where it has none."""

    rule: str
    reason: str
    log: str


def why(message: str) -> str:
    """Why a job failed that did not say so in its log, from what Snakemake says of it."""
    if found := _SIGNAL.search(message):
        if found[1] == "SIGINT":
            return INTERRUPTED
        return f"was killed ({found[1]})" + (", perhaps for want of memory" if found[1] == "SIGKILL" else "")
    if (found := _STATUS.search(message)) or not message.strip():
        status = f" (exit status {found[1]})" if found else ""
        return f"failed, and its log does not say why{status}"
    return " ".join(message.split())


def failure_lines(failures: Iterable[Failure]) -> list[str]:
    """One line for each rule and reason, with the log of the first job; none for jobs that somebody stopped."""
    alike: dict[tuple[str, str], list[str]] = {}
    for failure in (failure for failure in failures if failure.reason != INTERRUPTED):
        alike.setdefault((failure.rule, failure.reason), []).append(failure.log)
    return [f"firstsight: {rule}: {reason}{_where(logs)}" for (rule, reason), logs in alike.items()]


def _where(logs: list[str]) -> str:
    more = f" (and {len(logs) - 1} more)" if len(logs) > 1 else ""
    return f"; log: {logs[0]}{more}" if logs[0] else more
