"""Compute the features of a shard."""

from pathlib import Path

from firstsight.stages.features import extract_features
from firstsight.stages.rule import run_rule

tuned = Path(snakemake.input.tuned) if snakemake.input.tuned else None
with run_rule(snakemake, "tuned_features" if tuned else "features") as job:
    extract_features(
        manifest=Path(snakemake.input.manifest),
        scale=Path(snakemake.input.scale),
        tuned=tuned,
        output=Path(snakemake.output.features),
        settings=snakemake.params.settings,
        layers=snakemake.params.layers,
        threads=snakemake.threads,
        job=job,
    )
