"""What surrounds every job: its log, its record in the table of runs, and one line for what a user can mend."""

import errno
import json
import os
import platform
import re
import sys
import time
import traceback
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from tqdm import tqdm

from firstsight import __version__
from firstsight.errors import DamagedError, FirstsightError
from firstsight.plan.paths import fingerprint_in
from firstsight.stages.job_log import (
    CONSOLE,
    INTERRUPTED,
    QUIET,
    failure_line,
    notice_line,
    progress_line,
    summary_line,
    warning_line,
)
from firstsight.storage.json import write_json

T = TypeVar("T")
WITHOUT_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of a disk that takes no more: full, over quota, read-only."""
PACKAGES = (
    "dask",
    "numba",
    "numpy",
    "pandas",
    "pillow",
    "pyarrow",
    "scikit-image",
    "scikit-learn",
    "scipy",
    "snakemake",
    "torch",
    "torchvision",
    "zarr",
)
"""Packages whose version may change a result or how it is computed."""
SECONDS_OF_SILENCE = 2.0
"""So long the log of a job says nothing of its progress; later a twentieth of the time that has passed."""


@dataclass
class Job:
    """What a running job notes about itself: its images, its device, ``seconds`` by step.

    ``says``: what it found, in words. ``at_end`` gives back what the job holds. ``quiet``: the console tells what the
    log says, and the job writes nothing to standard error.
    """

    rule: str
    collection: str
    shard: str
    detector: str
    log: TextIO
    config: str = ""
    quiet: bool = False
    n_images: int = 0
    device: str = "cpu"
    weights_sha256: str = ""
    says: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    at_end: ExitStack = field(default_factory=ExitStack)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the step ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def note(self, line: str) -> None:
        """Write one line to the job's log."""
        self.log.write(line + "\n")
        self.log.flush()

    def tell(self, line: str) -> None:
        """Say one line on the console, and in the job's log."""
        self.note(notice_line(line))
        if not self.quiet:
            print(f"firstsight: {line}", file=sys.stderr)

    @property
    def names(self) -> str:
        """Which job it is, in words."""
        return " ".join(part for part in (self.rule, self.collection, self.detector, self.shard) if part)

    def progress(self, items: Iterable[T], total: int, *, unit: str = "images") -> Iterator[T]:
        """Pass the items on, and note in the log now and then how many are done.

        Unless the job is quiet, there is a progress bar besides, where standard error is a terminal.
        """
        start = noted = time.perf_counter()
        bar = tqdm(items, total=total, desc=self.names, disable=True if self.quiet else None, leave=False)
        for done, item in enumerate(bar):
            now = time.perf_counter()
            if done and now - noted >= max(SECONDS_OF_SILENCE, (now - start) / 20):
                self.note(progress_line(done, total, unit, now - start))
                noted = now
            yield item
        if noted > start:
            self.note(progress_line(total, total, unit, time.perf_counter() - start))


@contextmanager
def run_job(
    log: str | Path,
    record: str | Path,
    *,
    rule: str,
    collection: str = "",
    shard: str = "",
    detector: str = "",
    config: str = "",
) -> Iterator[Job]:
    """Run one job: open its log, and when it is done write its record (one row of the table ``runs``, as JSON).

    ``config``: the settings of the job as JSON (`firstsight.plan.provenance.settings_of_job`).

    A `FirstsightError` ends the process with its one line, and so does a disk that takes no more. A damaged result is
    also taken away, so that the next run makes it again. Any other exception is a fault of firstsight: its traceback
    goes into the log, and one line that names the log to standard error.

    Where the environment says that the console reads the logs (`firstsight.stages.job_log.CONSOLE`), the line and
    Python's warnings go into the log alone.
    """
    start = time.perf_counter()
    quiet = os.environ.get(CONSOLE) == QUIET
    try:
        Path(log).parent.mkdir(parents=True, exist_ok=True)
        with open(log, "w", encoding="utf-8") as file:
            job = Job(rule, collection, shard, detector, file, config, quiet)
            with _one_line(job), _warnings_noted(job), job.at_end:
                yield job
            seconds = time.perf_counter() - start
            steps = ", ".join(f"{step} {spent:.1f} s" for step, spent in job.seconds.items())
            job.note(summary_line(job.names, job.n_images, seconds) + (f" ({steps})" if steps else ""))
            write_json(Path(record), _row(job, seconds, Path(record)))
    except OSError as error:
        # The log may lie on the disk that takes no more.
        if error.errno not in WITHOUT_ROOM:
            raise
        place = error.filename or Path(record).parent
        line = f"{os.strerror(error.errno)}: {place}; mend that and run again, what is finished is kept"
        sys.exit(1 if quiet and _noted(log, line) else f"firstsight: {line}")


@contextmanager
def _one_line(job: Job) -> Iterator[None]:
    try:
        yield
    except DamagedError as error:
        _take_away(error.path)
        _end(job, f"{error}: it was taken away, run again to have it made anew")
    except FirstsightError as error:
        _end(job, str(error))
    except KeyboardInterrupt:
        # Whoever asked for it needs no traceback.
        job.note(failure_line(INTERRUPTED))
        sys.exit(130)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in WITHOUT_ROOM:
            raise
        traceback.print_exc(file=job.log)
        job.note(failure_line(f"unexpected error: {type(error).__name__}: {error}"))
        where = f"firstsight: unexpected error in rule {job.rule}; the details are in {job.log.name}"
        sys.exit(1 if job.quiet else where)


def _end(job: Job, reason: str) -> NoReturn:
    job.note(failure_line(reason))
    sys.exit(1 if job.quiet else f"firstsight: {' '.join(reason.split())}")


def _noted(log: str | Path, reason: str) -> bool:
    """Whether the disk took a last line of the log."""
    try:
        with open(log, "a", encoding="utf-8") as file:
            file.write(failure_line(reason) + "\n")
    except OSError:
        return False
    return True


@contextmanager
def _warnings_noted(job: Job) -> Iterator[None]:
    """Let Python's warnings go into the log of a quiet job."""
    if not job.quiet:
        yield
        return

    def note(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        job.note(warning_line(f"{category.__name__}: {message}"))

    with warnings.catch_warnings():
        warnings.showwarning = note
        yield


def _take_away(path: Path) -> None:
    """Take a damaged result away, so that it is made again; what is whole in a store is kept for that."""
    if ".zarr" not in path.suffixes:
        # Another job may have been here first.
        path.unlink(missing_ok=True)
        return
    # Importing zarr takes a while, and many jobs read no store.
    from firstsight.storage.store import take_back  # noqa: PLC0415

    take_back(path)


def _row(job: Job, seconds: float, record: Path) -> dict[str, Any]:
    return {
        "collection": job.collection,
        "rule": job.rule,
        "shard": job.shard,
        "detector": job.detector,
        "device": job.device,
        "device_name": _device_name(job.device),
        "n_images": job.n_images,
        "says": job.says,
        "seconds": seconds,
        "seconds_by_step": json.dumps(job.seconds),
        "peak_memory_mb": _peak_memory_mb(),
        "versions": json.dumps(_versions()),
        "weights_sha256": job.weights_sha256,
        "fingerprint": fingerprint_in(record),
        "config": job.config,
        "machine": platform.node(),
    }


def _device_name(device: str) -> str:
    """The model of the GPU, or of the processor."""
    if device != "cpu":
        # Most jobs compute on the CPU, and many of them can do without torch.
        import torch  # noqa: PLC0415

        return torch.cuda.get_device_name(device)
    try:
        model = re.search(r"^model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        model = None
    return model[1] if model else platform.processor() or platform.machine()


def _peak_memory_mb() -> float | None:
    # Not getrusage: its maximum begins with that of the process this one was started from.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return None
    peak = re.search(r"VmHWM:\s*(\d+) kB", status)
    return int(peak[1]) / 1024 if peak else None


def _versions() -> dict[str, str]:
    versions = {"firstsight": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
