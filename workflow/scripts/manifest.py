"""Look at every image of a shard."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.manifest import make_manifest

names = dict(collection=snakemake.wildcards.collection, shard=snakemake.wildcards.shard)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="manifest", **names) as job:
    make_manifest(
        files=snakemake.params.files,
        **names,
        output=Path(snakemake.output.manifest),
        members=Path(snakemake.output.members),
        job=job,
    )
