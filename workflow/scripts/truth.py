"""Check the masks of a shard."""

from pathlib import Path

from firstsight.stages.manifest import read_truth
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "truth") as job:
    read_truth(
        rows=snakemake.params.rows,
        manifest=Path(snakemake.input.manifest),
        output=Path(snakemake.output.truth),
        job=job,
    )
