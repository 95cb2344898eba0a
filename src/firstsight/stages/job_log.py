"""Lines of a job's log that a program reads, too: how far the job is, what it warns of, why it failed."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CONSOLE, QUIET = "FIRSTSIGHT_CONSOLE", "quiet"
"""The variable of the environment, and its value, by which jobs know that what they log is told on the console."""

INTERRUPTED = "interrupted"
"""Why a job failed that somebody stopped."""

READ_BYTES = 2**16
"""At most so much is read of the end of a log."""

_PROGRESS = re.compile(r"(\d+) of (\d+) (\w+) in ([\d.]+) s")
_SUMMARY = re.compile(r".*: (\d+) images in [\d.]+ s\b.*")
_WARNING, _NOTICE, _FAILURE = "warning: ", "notice: ", "failed: "


class Told(NamedTuple):
    """What a log tells so far.

    Attributes:
        done, total: how many items of how many; both 0 where nothing is told.
        unit: what the items are.
        seconds: spent on those that are done.
        images: how many the job had when it ended; None before.
        warnings: each once.
        notices: what else is said on the console, each once.
        failure: why the job failed; empty if it did not, or could not say so.
    """

    done: int = 0
    total: int = 0
    unit: str = ""
    seconds: float = 0.0
    images: int | None = None
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    failure: str = ""


def progress_line(done: int, total: int, unit: str, seconds: float) -> str:
    """The line for ``done`` of ``total`` items; ``unit`` is one word, such as images."""
    return f"{done} of {total} {unit} in {seconds:.1f} s"


def summary_line(names: str, images: int, seconds: float) -> str:
    """The last line of a job that ended well; ``names`` says which job it is."""
    rate = f", {images / seconds:.1f} images/s" if images else ""
    return f"{names}: {images} images in {seconds:.1f} s{rate}"


def warning_line(message: str) -> str:
    """The line for what a user should know although the job goes on."""
    return _WARNING + " ".join(message.split())


def notice_line(message: str) -> str:
    """The line for what a user asked for and wants to see done."""
    return _NOTICE + " ".join(message.split())


def failure_line(reason: str) -> str:
    """The last line of a job that failed."""
    return _FAILURE + " ".join(reason.split())


def read_job_log(path: Path) -> Told:
    """What the log tells so far; nothing where it is not there or cannot be read."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - READ_BYTES))
            content = file.read()
    except OSError:
        return Told()
    # The last line may not be whole yet.
    return told_by(content[: content.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines())


def told_by(lines: list[str]) -> Told:
    """What the lines of a log tell."""
    told = Told(
        warnings=tuple(dict.fromkeys(_after(_WARNING, lines))), notices=tuple(dict.fromkeys(_after(_NOTICE, lines)))
    )
    for line in lines:
        if found := _PROGRESS.fullmatch(line):
            told = told._replace(done=int(found[1]), total=int(found[2]), unit=found[3], seconds=float(found[4]))
    for line in lines[-1:]:
        if found := _SUMMARY.fullmatch(line):
            return told._replace(images=int(found[1]))
        return told._replace(failure="".join(_after(_FAILURE, [line])))
    return told


def _after(prefix: str, lines: list[str]) -> Iterator[str]:
    return (line.removeprefix(prefix) for line in lines if line.startswith(prefix))
