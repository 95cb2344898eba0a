"""Tune an extractor to normal images."""

from pathlib import Path

from firstsight.stages.rule import as_paths, run_rule
from firstsight.stages.tune import tune_to_images

with run_rule(snakemake, "tune") as job:
    tune_to_images(
        manifests=as_paths(snakemake.input.manifests),
        scale=Path(snakemake.input.scale),
        output=Path(snakemake.output.weights),
        checkpoints=Path(snakemake.params.checkpoints),
        settings=snakemake.params.settings,
        tuning=snakemake.params.tuning,
        threads=snakemake.threads,
        job=job,
    )
