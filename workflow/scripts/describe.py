"""Find the regions, scores and descriptors of a shard."""

from pathlib import Path

from firstsight.stages.describe import describe_shard
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(
    snakemake.log[0],
    snakemake.output.run,
    config=snakemake.params.config,
    rule="describe",
    shard=snakemake.wildcards.shard,
    **names,
) as job:
    describe_shard(
        maps=Path(snakemake.input.maps),
        features=Path(snakemake.input.features),
        threshold=Path(snakemake.input.threshold),
        head=Path(snakemake.input.head) if snakemake.input.head else None,
        layers=snakemake.params.layers,
        **names,
        regions=Path(snakemake.output.regions),
        scores=Path(snakemake.output.scores),
        descriptors=Path(snakemake.output.descriptors),
        job=job,
    )
