"""Measure every detector on the degraded copies of a collection."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.robustness import Variant, measure_robustness
from firstsight.stages.scheduler import dask_client

variants = [
    Variant(
        degradation=each["degradation"],
        level=each["level"],
        manifests=tuple(Path(path) for path in each["manifests"]),
        truths=tuple(Path(path) for path in each["truths"]),
        maps={name: tuple(Path(path) for path in paths) for name, paths in each["maps"].items()},
    )
    for each in snakemake.params.variants
]
names = dict(collection=snakemake.wildcards.collection, config=snakemake.params.config)
# A copy has a handful of images.
where = dict(threads=snakemake.threads, memory_mb=snakemake.resources.mem_mb, tasks=1)
with (
    run_job(snakemake.log[0], snakemake.output.run, rule="robustness_of_collection", **names) as job,
    dask_client(snakemake.resources.dask, **where, job=job),
):
    measure_robustness(
        variants=variants,
        collection=snakemake.wildcards.collection,
        output=Path(snakemake.output.metrics),
        curves=Path(snakemake.output.curves),
        job=job,
    )
