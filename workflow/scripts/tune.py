"""Tune an extractor to normal images."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.tune import tune_to_images

with run_job(
    snakemake.log[0],
    snakemake.output.run,
    config=snakemake.params.config,
    rule="tune",
    collection=snakemake.wildcards.collection,
) as job:
    tune_to_images(
        manifests=[Path(path) for path in snakemake.input.manifests],
        output=Path(snakemake.output.weights),
        checkpoints=Path(snakemake.params.checkpoints),
        settings=snakemake.params.settings,
        tuning=snakemake.params.tuning,
        threads=snakemake.threads,
        job=job,
    )
