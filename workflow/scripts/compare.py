"""Join the comparison of all collections."""

from pathlib import Path

from firstsight.stages.compare import join_comparison
from firstsight.stages.job import run_job

with run_job(snakemake.log[0], snakemake.output.run, rule="compare") as job:
    join_comparison(
        metrics=[Path(path) for path in snakemake.input.metrics],
        pairs=[Path(path) for path in snakemake.input.pairs],
        set_aside=snakemake.params.set_aside,
        table=Path(snakemake.output.table),
        disagreement_table=Path(snakemake.output.disagreement),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
