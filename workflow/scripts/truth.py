"""Check the masks of a shard."""

from pathlib import Path

from firstsight.stages.rule import run_rule
from firstsight.stages.truth import read_truth

with run_rule(snakemake, "truth") as job:
    read_truth(
        rows=snakemake.params.rows,
        sample=snakemake.params.sample,
        positive=snakemake.params.positive,
        manifest=Path(snakemake.input.manifest),
        output=Path(snakemake.output.truth),
        job=job,
    )
