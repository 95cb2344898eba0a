"""Compute the features of a shard."""

from pathlib import Path

from firstsight.stages.features import extract_features
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, shard=snakemake.wildcards.shard)
tuned = Path(snakemake.input.tuned) if snakemake.input.tuned else None
rule = "tuned_features" if tuned else "features"
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule=rule, **names) as job:
    extract_features(
        manifest=Path(snakemake.input.manifest),
        tuned=tuned,
        output=Path(snakemake.output.features),
        settings=snakemake.params.settings,
        layers=snakemake.params.layers,
        threads=snakemake.threads,
        job=job,
    )
