"""Write the table and the page of a study."""

from pathlib import Path

from firstsight.plan.study_tables import STUDIES
from firstsight.stages.job import run_job
from firstsight.stages.study import write_study

with run_job(snakemake.log[0], snakemake.output.run, rule=snakemake.rule) as job:
    write_study(
        study=STUDIES[snakemake.rule],
        rows=snakemake.params.rows,
        set_aside=snakemake.params.set_aside,
        companions=[Path(path) for path in snakemake.input.companions],
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
