"""Where a job computes: on a GPU if there is one, each job on another of several, on the CPU if a GPU is too small."""

import fcntl
import os
import tempfile
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import torch

from firstsight.errors import FirstsightError
from firstsight.stages.job import Job

T = TypeVar("T")


def choose_device(device: str, job: Job) -> str:
    """The device to compute on, for the value of ``features.device`` in the config.

    ``auto`` is a GPU if there is one, else the CPU, which the log says. Of several GPUs that this process sees
    (``CUDA_VISIBLE_DEVICES``, which Slurm sets), jobs that run at the same time take different ones.

    Args:
        device: auto, cpu, cuda or cuda:n.
        job: the GPU stays taken until its end.

    Raises:
        FirstsightError: the GPU that was asked for is not there.
    """
    if device == "cpu":
        return device
    count = torch.cuda.device_count()
    if device == "auto" and count == 0:
        job.note("device auto: there is no GPU here, computing on the CPU")
        return "cpu"
    if count == 0:
        raise FirstsightError(f"features.device: {device} was asked for, but there is no GPU here")
    if device.startswith("cuda:"):
        if int(device.removeprefix("cuda:")) >= count:
            raise FirstsightError(f"features.device: {device} was asked for, but there are only {count} GPUs here")
        return device
    if count == 1:
        return "cuda"
    names = [str(torch.cuda.get_device_properties(index).uuid) for index in range(count)]
    index, handle = take_least_used(names, Path(tempfile.gettempdir()))
    job.at_end.callback(os.close, handle)
    return f"cuda:{index}"


def take_least_used(names: Sequence[str], folder: Path) -> tuple[int, int]:
    """Take one of the devices, one that the fewest processes of this user hold.

    Args:
        names: of the devices; the same in all processes, in any order.
        folder: for the locks, on this machine; when a process dies, its lock is released.

    Returns:
        The index of the device, and the file handle to close when it is no longer needed.
    """
    held = 0
    while True:
        for index, name in enumerate(names):
            path = folder / f"firstsight-{os.getuid()}-{name}-{held}.lock"
            handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                continue
            return index, handle
        held += 1


def first_that_fits(attempts: Sequence[tuple[str, Callable[[], T]]], note: Callable[[str], None]) -> T:
    """The result of the first attempt that does not run out of a GPU's memory.

    Args:
        attempts: how each computes, in words for the log, and the function that it calls; each takes less memory than
            the one before.
        note: gets a line for the log for every attempt that ran out.

    Raises:
        torch.OutOfMemoryError: the last attempt ran out too.
    """
    for (how, compute), (following, _) in pairwise(attempts):
        try:
            return compute()
        except torch.OutOfMemoryError:
            note(f"out of GPU memory {how}: trying {following}")
        # Outside the handler, whose traceback would keep what the attempt had allocated.
        torch.cuda.empty_cache()
    return attempts[-1][1]()


def halved_to_fit(
    compute: Callable[[int], T], amount: int, *, least: int, unit: str, note: Callable[[str], None]
) -> tuple[T, int]:
    """The result of ``compute``, called with half the amount again and again until it fits into a GPU's memory.

    Args:
        compute: called with the amount that it may take at once.
        amount: the first to try.
        least: the last to try.
        unit: what is counted, in words for the log.
        note: gets a line for the log for every amount that did not fit, except the last.

    Returns:
        The result, and the amount that fitted, to begin with next time.

    Raises:
        torch.OutOfMemoryError: ``least`` is too much too.
    """
    while True:
        try:
            return compute(amount), amount
        except torch.OutOfMemoryError:
            if amount <= least:
                raise
        torch.cuda.empty_cache()
        smaller = max(amount // 2, least)
        note(f"out of GPU memory with {amount:,} {unit}: trying {smaller:,}")
        amount = smaller
