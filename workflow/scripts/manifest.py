"""Look at every image of a shard."""

from pathlib import Path

from firstsight.stages.manifest import Values, make_manifest
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "manifest") as job:
    make_manifest(
        files=snakemake.params.files,
        collection=job.collection,
        shard=job.shard,
        output=Path(snakemake.output.manifest),
        members=Path(snakemake.output.members),
        copies=Path(snakemake.output.contents),
        values=Values(Path(snakemake.params.values), snakemake.params.sample, snakemake.params.given_values),
        job=job,
    )
