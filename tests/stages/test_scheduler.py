"""Tasks give the same on dask's threads, on a local cluster and on the workers of a scheduler in other processes."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from dask.base import compute
from dask.delayed import delayed
from distributed import get_client

from firstsight.clustering.thresholds import otsu_threshold
from firstsight.detectors.blind.cells import CellSource
from firstsight.errors import DamagedError, FirstsightError
from firstsight.plan.run_settings import DaskSettings
from firstsight.stages import threshold as stage
from firstsight.stages.job import Job
from firstsight.stages.scheduler import dask_client
from firstsight.stages.threshold import find_threshold
from firstsight.storage.store import ShardReader, ShardWriter

GEOMETRY = {"height": 20, "width": 30, "input_height": 20, "input_width": 30, "stride": 1.0, "offset": 0.0}
SECONDS_TO_START = 60


def settings(scheduler: str, **more: int) -> str:
    return DaskSettings.model_validate({"scheduler": scheduler, **more}).model_dump_json(exclude_unset=True)


def whole_json(path: Path) -> dict[str, Any]:
    """What a process has written; nothing as long as it has not, or is still writing."""
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler and a worker, processes of their own on the loop-back, in another folder."""
    folder = tmp_path_factory.mktemp("scheduler")
    file = folder / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    host = ["--host", "127.0.0.1"]
    lines = [["dask_scheduler", *common, *host, "--port", "0"]]
    # A task is given up as soon as one worker is lost with it.
    environment = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}
    lines += [["dask_worker", *common, *host, "--nthreads", "2", "--no-nanny"]]
    with ExitStack() as stack:
        for number, line in enumerate(lines):
            out = stack.enter_context(open(folder / f"{number}.out", "wb"))
            whole = [sys.executable, "-m", f"distributed.cli.{line[0]}", *line[1:]]
            process = subprocess.Popen(whole, cwd=folder, stdout=out, stderr=out, env=environment)
            stack.callback(process.wait, 30)
            stack.callback(process.terminate)
        deadline = time.monotonic() + SECONDS_TO_START
        while not (written := whole_json(file)):
            assert time.monotonic() < deadline, [out.read_text() for out in folder.glob("*.out")]
            time.sleep(0.1)
        yield written["address"]


@pytest.fixture
def places(address: str) -> list[str]:
    return ["local", address]


def write_shards(folder: Path, cuts: list[int]) -> list[Path]:
    """Nine images of features and maps, cut into shards; one of them has none."""
    paths = []
    for first, last in zip([0, *cuts], [*cuts, 9], strict=True):
        paths.append(folder / f"{first}-{last}.zarr")
        with ShardWriter(paths[-1], dtype="float32") as writer:
            for image in range(first, last):
                random = np.random.default_rng(image)
                attributes: dict[str, Any] = {"image": f"{image}", "status": "cannot be read" if image == 4 else "ok"}
                attributes["token"] = f"{image} {image}"
                arrays = {"layer": random.random((3, 9, 8)), "map": random.gamma(2, size=(20, 30 + image))}
                writer.add(f"{image}", "t", {} if image == 4 else arrays, {**attributes, "geometry": GEOMETRY})
    return paths


def everywhere(function: Callable[[], Any], places: list[str], job: Job) -> list[Any]:
    """What a function gives with one thread, with four, and at each of the places."""
    found = []
    for place, tasks, threads in [("local", 1, 1), ("local", 1, 4), *((place, 2, 2) for place in places)]:
        with dask_client(settings(place), threads=threads, memory_mb=500, tasks=tasks, job=job):
            found.append(function())
    return found


def test_a_collection_has_the_same_threshold_wherever_it_is_found(
    tmp_path: Path, places: list[str], job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "SAMPLED_CELLS", 8 * 500)

    def threshold(shards: list[Path]) -> dict[str, Any]:
        find_threshold(shards=shards, output=tmp_path / "threshold.json", settings={"method": "otsu"}, seed=7, job=job)
        return dict(json.loads((tmp_path / "threshold.json").read_text()))

    shards = write_shards(tmp_path, [3, 5])
    found = everywhere(lambda: threshold(shards), places, job)
    assert all(each == found[0] for each in found)
    assert threshold(write_shards(tmp_path / "other", [1, 2, 3, 8])) == found[0]
    readers = [(reader, reader.keys()) for reader in map(ShardReader, shards)]
    maps = [reader.read(key, "map") for reader, keys in readers for key in keys if key != "4"]
    samples = [np.random.default_rng(7 + i).choice(each.ravel(), 500, replace=False) for i, each in enumerate(maps)]
    assert found[0]["threshold"] == otsu_threshold(np.concatenate(samples))
    assert found[0]["scale"][1] == max(each.max() for each in maps)


def test_the_cells_of_a_collection_are_the_same_wherever_they_are_drawn(
    tmp_path: Path, places: list[str], job: Job
) -> None:
    shards = write_shards(tmp_path, [3, 5])

    def draw() -> torch.Tensor:
        return CellSource(shards, "layer").draw(200, torch.Generator().manual_seed(3))

    found = everywhere(draw, places, job)
    assert all(torch.equal(each, found[0]) for each in found)


def test_workers_read_paths_that_are_relative_to_the_job(
    tmp_path: Path, address: str, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shards = [path.relative_to(tmp_path) for path in write_shards(tmp_path, [3, 5])]
    with dask_client(settings(address), threads=1, memory_mb=500, tasks=3, job=job):
        find_threshold(shards=shards, output=Path("threshold.json"), settings={"method": "deviations"}, seed=7, job=job)
        assert CellSource(shards, "layer").channels == 3
    assert "dask: workers: 1, at tcp://127.0.0.1" in job.log.getvalue()  # type: ignore[attr-defined]


def test_damage_that_a_worker_finds_reaches_the_job_whole(tmp_path: Path, places: list[str], job: Job) -> None:
    def damaged() -> None:
        raise DamagedError("is damaged", tmp_path)

    for place in places:
        with (
            pytest.raises(DamagedError, match=r"^is damaged$") as found,
            dask_client(settings(place), threads=1, memory_mb=500, tasks=2, job=job),
        ):
            compute(delayed(damaged)())
        assert found.value.path == tmp_path


def test_a_local_cluster_is_this_process_and_listens_on_the_loop_back_alone(job: Job) -> None:
    with dask_client(settings("local"), threads=3, memory_mb=500, tasks=2, job=job):
        (worker,) = get_client().scheduler_info()["workers"].values()
        assert (worker["nthreads"], worker["memory_limit"]) == (3, 500 * 10**6)
        assert compute(delayed(os.getpid)()) == (os.getpid(),)
        listening = [each.laddr.ip for each in psutil.Process().net_connections() if each.status == psutil.CONN_LISTEN]
        assert set(listening) <= {"127.0.0.1"}


@pytest.mark.parametrize("scheduler", ["local", "slurm", "tcp://127.0.0.1:1"])
def test_a_single_shard_needs_no_cluster(job: Job, scheduler: str) -> None:
    with dask_client(settings(scheduler), threads=1, memory_mb=500, tasks=1, job=job):
        with pytest.raises(ValueError, match="No global client"):
            get_client()
        assert compute(delayed(os.getpid)()) == (os.getpid(),)


def test_an_address_where_no_scheduler_answers(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firstsight.stages.scheduler.SECONDS_TO_CONNECT", 1)
    with (
        pytest.raises(FirstsightError, match=r"^config: dask.scheduler: no scheduler answers at tcp://127.0.0.1:1$"),
        dask_client(settings("tcp://127.0.0.1:1"), threads=1, memory_mb=500, tasks=2, job=job),
    ):
        pass


def test_slurm_without_its_commands(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with (
        pytest.raises(FirstsightError, match=r"^config: dask.scheduler: slurm needs the command sbatch"),
        dask_client(settings("slurm"), threads=1, memory_mb=500, tasks=2, job=job),
    ):
        pass


def test_workers_that_are_lost_with_their_tasks(address: str, job: Job) -> None:
    with (
        pytest.raises(FirstsightError, match="workers of dask were lost again and again with tcp"),
        dask_client(settings(address), threads=1, memory_mb=500, tasks=2, job=job),
    ):
        compute(delayed(os._exit)(1))
