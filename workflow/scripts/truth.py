"""Check the masks of a shard."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.manifest import read_truth

names = dict(collection=snakemake.wildcards.collection, shard=snakemake.wildcards.shard)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="truth", **names) as job:
    read_truth(
        rows=snakemake.params.rows,
        manifest=Path(snakemake.input.manifest),
        output=Path(snakemake.output.truth),
        job=job,
    )
