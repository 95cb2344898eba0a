"""Join the tables of a run."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.scheduler import dask_client
from firstsight.stages.tables import join_tables, n_tasks


def paths(name):
    return [Path(path) for path in snakemake.input[name]]


where = dict(threads=snakemake.threads, memory_mb=snakemake.resources.mem_mb, tasks=n_tasks(snakemake.input.records))
with (
    run_job(snakemake.log[0], snakemake.params.record, rule="tables") as job,
    dask_client(snakemake.resources.dask, **where, job=job),
):
    join_tables(
        manifests=paths("manifests"),
        truths=paths("truths"),
        scores={name: paths(f"scores_{name}") for name in snakemake.params.detectors},
        regions=paths("regions"),
        clusters=paths("clusters"),
        metrics=paths("metrics"),
        records=paths("records"),
        names=paths("names")[0] if snakemake.input.names else None,
        output={name: Path(path) for name, path in snakemake.output.items()},
        job=job,
    )
