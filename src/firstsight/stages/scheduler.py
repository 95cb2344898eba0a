"""Where the tasks of a job over many shards run: on a local cluster, on a running scheduler, or on workers of Slurm.

Stages build their tasks with ``dask.delayed`` and name no scheduler: dask takes the client that is open, or threads of
its own if none is. Tasks are functions of paths, seeds and numbers, so that their results do not depend on where they
run.
"""

import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import dask.config

import firstsight
from firstsight.errors import FirstsightError
from firstsight.plan.run_settings import DaskSettings
from firstsight.stages.job import Job

SECONDS_TO_CONNECT = 10

_QUIET: dict[str, Any] = {
    # Nothing is served; what has to listen does so on the loop-back only.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # The worker is this very process: a pause for what the job itself holds would never end.
    "distributed.worker.memory.pause": False,
}


@contextmanager
def dask_client(dask_settings: str, *, threads: int, memory_mb: int, tasks: int, job: Job) -> Iterator[None]:
    """Run what dask computes inside the ``with`` block where the settings say.

    ``local`` is a cluster of threads inside this process: tasks are numpy, torch and decompression, which release the
    interpreter's lock, and one more process would cost seconds and memory for its imports. Results beyond ``memory_mb``
    are spilled to the system's folder for temporary files. For a single task no cluster is started, whatever the
    settings.

    Args:
        dask_settings: the fields of `firstsight.plan.settings.DaskSettings`, as JSON.
        threads: tasks at a time on this machine.
        memory_mb: memory of the job.
        tasks: about how many there are at a time: the shards that the job reads.
        job: its log says where the tasks run.

    Raises:
        FirstsightError: no scheduler answers at the address; Slurm or dask-jobqueue is not there or refuses the
            workers; workers were lost with their tasks several times.
    """
    settings = DaskSettings.model_validate_json(dask_settings)
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(num_workers=threads))
        if tasks <= 1:
            # Otherwise dask looks for a client, and importing distributed for that takes a third of a second.
            stack.enter_context(dask.config.set(scheduler="threads"))
            yield
            return
        # Importing it takes a third of a second.
        from distributed import Client, KilledWorker  # noqa: PLC0415
        from distributed.client import FutureCancelledError  # noqa: PLC0415

        where: Any = settings.scheduler
        if where == "local":
            where = stack.enter_context(_local_cluster(threads, memory_mb))
        elif where == "slurm":
            where = stack.enter_context(_slurm_cluster(settings, job))
        try:
            client = stack.enter_context(Client(where, timeout=SECONDS_TO_CONNECT, set_as_default=True))
        except (OSError, ValueError) as error:
            raise FirstsightError(f"config: dask.scheduler: no scheduler answers at {settings.scheduler}") from error
        if settings.scheduler != "local":
            workers = len(client.scheduler_info()["workers"])
            job.note(f"dask: workers: {workers}, at {client.scheduler.address}")
        try:
            yield
        except KilledWorker as error:
            raise FirstsightError(
                f"workers of dask were lost again and again with {settings.scheduler}, "
                f"perhaps for want of memory: {error}"
            ) from error
        except FutureCancelledError as error:
            raise FirstsightError(f"the scheduler of dask ({settings.scheduler}) was lost: run again") from error


def _local_cluster(threads: int, memory_mb: int) -> Any:
    from distributed import LocalCluster  # noqa: PLC0415

    nowhere = "127.0.0.1:0"
    with dask.config.set(_QUIET):
        return LocalCluster(
            processes=False,
            n_workers=1,
            threads_per_worker=threads,
            memory_limit=memory_mb * 10**6,
            protocol="inproc://",
            dashboard_address=nowhere,
            worker_dashboard_address=nowhere,
            silence_logs=logging.ERROR,
        )


def _slurm_cluster(settings: DaskSettings, job: Job) -> Any:
    """Workers of one core each, in jobs of their own; account, partition and network come from dask's own files."""
    try:
        from dask_jobqueue import SLURMCluster  # noqa: PLC0415
    except ImportError as error:
        raise FirstsightError(
            "config: dask.scheduler: slurm needs the package dask-jobqueue: pip install dask-jobqueue"
        ) from error
    if shutil.which("sbatch") is None:
        raise FirstsightError("config: dask.scheduler: slurm needs the command sbatch, which is not there")
    packages = os.pathsep.join(filter(None, [str(Path(firstsight.__file__).parents[1]), os.getenv("PYTHONPATH")]))
    given = dask.config.get("jobqueue.slurm.job-script-prologue", [])
    cluster = SLURMCluster(
        cores=1,
        processes=1,
        memory=f"{settings.memory_mb}MB",
        walltime=f"{settings.minutes // 60:02d}:{settings.minutes % 60:02d}:00",
        python=sys.executable,
        job_script_prologue=[*given, f"export PYTHONPATH={shlex.quote(packages)} OMP_NUM_THREADS=1"],
        log_directory=str(Path(job.log.name).parent.absolute()),
        scheduler_options={"dashboard_address": ":0", **dask.config.get("jobqueue.slurm.scheduler-options", {})},
        silence_logs="error",
    )
    # Dask would wait without end for workers that Slurm refuses.
    asked = subprocess.run(
        ["sbatch", "--test-only"], input=cluster.job_script(), capture_output=True, text=True, check=False
    )
    if asked.returncode != 0:
        cluster.close()
        raise FirstsightError(f"config: dask.scheduler: Slurm refuses the workers: {' '.join(asked.stderr.split())}")
    cluster.scale(jobs=settings.workers)
    return cluster
