"""Write the table and the page of a study."""

from pathlib import Path

from firstsight.plan.study_tables import STUDIES
from firstsight.stages.rule import as_paths, run_rule
from firstsight.stages.study import write_study

with run_rule(snakemake, snakemake.params.study) as job:
    write_study(
        study=STUDIES[snakemake.params.study],
        rows=snakemake.params.rows,
        set_aside=snakemake.params.set_aside,
        companions=as_paths(snakemake.input.companions),
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
