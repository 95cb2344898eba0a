"""Write the papers' tables."""

from pathlib import Path

from firstsight.stages.papers import write_papers
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "papers") as job:
    write_papers(
        rows=snakemake.params.rows,
        default_detector=snakemake.params.default_detector,
        table=Path(snakemake.output.table),
        markdown=Path(snakemake.output.markdown),
        job=job,
    )
