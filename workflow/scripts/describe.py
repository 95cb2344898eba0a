"""Find the regions, scores and descriptors of a shard."""

from pathlib import Path

from firstsight.stages.describe import describe_shard
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "describe") as job:
    describe_shard(
        maps=Path(snakemake.input.maps),
        features=Path(snakemake.input.features),
        threshold=Path(snakemake.input.threshold),
        head=Path(snakemake.input.head) if snakemake.input.head else None,
        layers=snakemake.params.layers,
        collection=job.collection,
        detector=job.detector,
        regions=Path(snakemake.output.regions),
        scores=Path(snakemake.output.scores),
        descriptors=Path(snakemake.output.descriptors),
        job=job,
    )
