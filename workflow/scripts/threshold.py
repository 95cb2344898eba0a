"""Find the threshold of a collection's maps."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.scheduler import dask_client
from firstsight.stages.threshold import find_threshold

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
where = dict(threads=snakemake.threads, memory_mb=snakemake.resources.mem_mb, tasks=len(snakemake.input.maps))
with (
    run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="threshold", **names) as job,
    dask_client(snakemake.resources.dask, **where, job=job),
):
    find_threshold(
        shards=[Path(path) for path in snakemake.input.maps],
        output=Path(snakemake.output.threshold),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        job=job,
    )
