"""Compute the metrics of a detector on a collection."""

from pathlib import Path

from firstsight.stages.evaluate import evaluate_collection
from firstsight.stages.job import run_job
from firstsight.stages.scheduler import dask_client

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
where = dict(threads=snakemake.threads, memory_mb=snakemake.resources.mem_mb, tasks=len(snakemake.input.maps))
with (
    run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="evaluate", **names) as job,
    dask_client(snakemake.resources.dask, **where, job=job),
):
    evaluate_collection(
        maps=[Path(path) for path in snakemake.input.maps],
        manifests=[Path(path) for path in snakemake.input.manifests],
        truths=[Path(path) for path in snakemake.input.truths],
        descriptors=[Path(path) for path in snakemake.input.descriptors],
        clusters=Path(snakemake.input.clusters),
        crop=snakemake.params.crop,
        **names,
        fingerprint=snakemake.params.fingerprint,
        output=Path(snakemake.output.metrics),
        job=job,
    )
