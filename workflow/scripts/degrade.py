"""Make a degraded copy of a sample of a collection."""

from pathlib import Path

from firstsight.plan.degraded import degradation_of
from firstsight.stages.job import run_job
from firstsight.stages.robustness import degrade_images

collection = snakemake.wildcards.collection
degradation, level = degradation_of(collection)
with run_job(
    snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="degrade", collection=collection
) as job:
    degrade_images(
        images=snakemake.params.images,
        degradation=degradation,
        level=level,
        output=Path(snakemake.output.images),
        seed=snakemake.params.seed,
        job=job,
    )
