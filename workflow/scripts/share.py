"""Write the page of a run with its pictures into one archive."""

from pathlib import Path

from firstsight.stages.rule import as_paths, run_rule
from firstsight.stages.share import zip_page

with run_rule(snakemake, "share") as job:
    zip_page(
        parts=as_paths(snakemake.input),
        results=Path(snakemake.params.results),
        output=Path(snakemake.output.archive),
        job=job,
    )
