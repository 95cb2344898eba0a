"""Measure every detector on a collection or a degraded copy, and where two of them disagree."""

from pathlib import Path

from firstsight.stages.compare import compare_maps
from firstsight.stages.job import run_job
from firstsight.stages.scheduler import dask_client

names = dict(collection=snakemake.wildcards.collection)
where = dict(threads=snakemake.threads, memory_mb=snakemake.resources.mem_mb, tasks=len(snakemake.input.manifests))
with (
    run_job(
        snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="compare_maps", **names
    ) as job,
    dask_client(snakemake.resources.dask, **where, job=job),
):
    compare_maps(
        maps=snakemake.params.maps,
        manifests=[Path(path) for path in snakemake.input.manifests],
        truths=[Path(path) for path in snakemake.input.truths],
        **names,
        metrics=Path(snakemake.output.metrics),
        pairs=Path(snakemake.output.pairs),
        picture=Path(snakemake.output.picture),
        job=job,
    )
