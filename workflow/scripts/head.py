"""Train the contrastive head of a collection."""

from pathlib import Path

from firstsight.stages.head import fit_head
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "head") as job:
    fit_head(
        maps=as_paths(snakemake.input.maps),
        features=as_paths(snakemake.input.features),
        threshold=Path(snakemake.input.threshold),
        descriptors=as_paths(snakemake.input.descriptors),
        layers=snakemake.params.layers,
        output=Path(snakemake.output.head),
        device=snakemake.params.device,
        threads=snakemake.threads,
        job=job,
    )
