"""Let a detector learn from a whole collection."""

from pathlib import Path

from firstsight.stages.fit import fit_detector
from firstsight.stages.job import run_job
from firstsight.stages.scheduler import dask_client

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
where = dict(threads=snakemake.threads, memory_mb=snakemake.resources.mem_mb, tasks=len(snakemake.input.features))
with (
    run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="fit", **names) as job,
    dask_client(snakemake.resources.dask, **where, job=job),
):
    fit_detector(
        features=[Path(path) for path in snakemake.input.features],
        output=Path(snakemake.output.model),
        summary=Path(snakemake.output.summary),
        checkpoints=Path(snakemake.params.checkpoints),
        method=snakemake.params.method,
        settings=snakemake.params.settings,
        layers=snakemake.params.layers,
        device=snakemake.params.device,
        threads=snakemake.threads,
        job=job,
    )
