"""Where a job computes, without a GPU: the choice among devices by name, and the way to less memory."""

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from firstsight.errors import FirstsightError
from firstsight.stages.devices import choose_device, first_that_fits, take_least_used
from firstsight.stages.job import Job


def runs_out() -> int:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_a_gpu_auto_is_the_cpu_and_the_log_says_so(job: Job) -> None:
    assert choose_device("auto", job) == "cpu"
    assert isinstance(job.log, io.StringIO)
    assert job.log.getvalue() == "device auto: there is no GPU here, computing on the CPU\n"
    with pytest.raises(FirstsightError, match=r"^features.device: cuda was asked for, but there is no GPU here$"):
        choose_device("cuda", job)


def test_the_cpu_needs_no_words(job: Job) -> None:
    assert choose_device("cpu", job) == "cpu"
    assert isinstance(job.log, io.StringIO)
    assert job.log.getvalue() == ""


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_a_gpu_that_is_not_there(job: Job) -> None:
    with pytest.raises(FirstsightError, match=f"cuda:99 was asked for, but there are only {torch.cuda.device_count()}"):
        choose_device("cuda:99", job)
    assert choose_device("auto", job).startswith("cuda")


def test_jobs_share_devices_evenly_and_give_them_back(tmp_path: Path) -> None:
    taken = [take_least_used(["a", "b", "c"], tmp_path) for _ in range(7)]
    assert [index for index, _ in taken] == [0, 1, 2, 0, 1, 2, 0]
    os.close(taken[1][1])
    assert take_least_used(["a", "b", "c"], tmp_path)[0] == 1
    # Another process may see only some of them, in another order.
    assert take_least_used(["c", "b"], tmp_path)[0] == 0


def test_a_killed_process_gives_its_device_back(tmp_path: Path) -> None:
    hold = f"""
from pathlib import Path
from firstsight.stages.devices import take_least_used
print(take_least_used(["a", "b"], Path({str(tmp_path)!r}))[0], flush=True)
input()
"""
    holder = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "0\n"
    index, handle = take_least_used(["a", "b"], tmp_path)
    assert index == 1
    os.close(handle)
    holder.kill()
    holder.communicate()
    assert take_least_used(["a", "b"], tmp_path)[0] == 0


def test_the_first_attempt_that_fits_counts_and_the_others_are_noted() -> None:
    lines: list[str] = []
    attempts: list[tuple[str, Callable[[], int]]] = [("in large tiles", runs_out), ("in small tiles", runs_out)]
    assert first_that_fits([*attempts, ("on the CPU", lambda: 7)], lines.append) == 7
    assert lines == [
        "out of GPU memory in large tiles: trying in small tiles",
        "out of GPU memory in small tiles: trying on the CPU",
    ]
    assert first_that_fits([("on the GPU", lambda: 3), ("on the CPU", runs_out)], lines.append) == 3
    assert len(lines) == 2


def test_the_last_attempt_may_run_out_and_other_errors_pass() -> None:
    with pytest.raises(torch.OutOfMemoryError):
        first_that_fits([("on the GPU", runs_out), ("on the CPU", runs_out)], print)
    with pytest.raises(ZeroDivisionError):
        first_that_fits([("on the GPU", lambda: 1 // 0), ("on the CPU", lambda: 1)], print)
