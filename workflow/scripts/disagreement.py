"""Join what every two detectors disagree on."""

from pathlib import Path

from firstsight.stages.compare import join_disagreements
from firstsight.stages.job import run_job

with run_job(snakemake.log[0], snakemake.output.run, rule="disagreement"):
    join_disagreements(
        pairs=[Path(path) for path in snakemake.input.pairs],
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
    )
