"""Write the page of a run."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.page import make_page

TABLES = ("images", "regions", "clusters", "metrics")

with run_job(snakemake.log[0], snakemake.output.run, rule="page") as job:
    make_page(
        tables={name: Path(snakemake.input[name]) for name in TABLES},
        collections=snakemake.params.collections,
        output=Path(snakemake.output.page),
        job=job,
    )
