"""From Snakemake's object to a job: what every adapter in workflow/scripts does before and after its stage."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from firstsight.stages.job import Job, run_job


@contextmanager
def run_rule(snakemake: Any, rule: str, *, tasks: int = 1) -> Iterator[Job]:
    """Run a rule's job (`run_job`): with its log, its record, and one line for what a user can mend.

    All else is read from ``snakemake``: the collection and the shard from its wildcards, the detector's name from the
    parameter ``name``, the settings to note from ``config``, the record's path from the output ``run`` or else the
    parameter ``record``. A rule whose resources have ``dask`` gets a client with its threads and memory
    (`firstsight.stages.scheduler.dask_client`).

    Args:
        snakemake: the object that Snakemake gives to scripts.
        rule: the rule's name as the table `runs` has it; where another workflow uses this one as a module,
            ``snakemake.rule`` may have a prefix.
        tasks: for a rule with ``dask``, about how many tasks there are at a time: the shards that it reads.
    """
    wildcards, params, resources = snakemake.wildcards, snakemake.params, snakemake.resources
    with run_job(
        snakemake.log[0],
        snakemake.output.get("run") or params.record,
        rule=rule,
        collection=wildcards.get("collection", ""),
        shard=wildcards.get("shard", ""),
        detector=params.get("name", ""),
        config=params.get("config", ""),
    ) as job:
        dask = resources.get("dask")
        if dask is None:
            yield job
            return
        # Importing dask takes a while, and few rules have tasks.
        from firstsight.stages.scheduler import dask_client  # noqa: PLC0415

        with dask_client(dask, threads=snakemake.threads, memory_mb=resources.mem_mb, tasks=tasks, job=job):
            yield job


def as_paths(files: Iterable[str]) -> list[Path]:
    """The files of an input as paths."""
    return [Path(file) for file in files]
