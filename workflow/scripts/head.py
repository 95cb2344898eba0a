"""Train the contrastive head of a collection."""

from pathlib import Path

from firstsight.stages.head import fit_head
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="head", **names) as job:
    fit_head(
        maps=[Path(path) for path in snakemake.input.maps],
        features=[Path(path) for path in snakemake.input.features],
        threshold=Path(snakemake.input.threshold),
        descriptors=[Path(path) for path in snakemake.input.descriptors],
        layers=snakemake.params.layers,
        output=Path(snakemake.output.head),
        device=snakemake.params.device,
        threads=snakemake.threads,
        job=job,
    )
