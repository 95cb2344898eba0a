"""Write the page of a run."""

from pathlib import Path

from firstsight.stages.page import make_page
from firstsight.stages.rule import run_rule

TABLES = ("images", "regions", "clusters", "metrics")

with run_rule(snakemake, "page") as job:
    make_page(
        tables={name: Path(snakemake.input[name]) for name in TABLES},
        verdicts=Path(snakemake.input.verdicts[0]) if snakemake.input.verdicts else None,
        collections=snakemake.params.collections,
        groups=snakemake.params.groups,
        output=Path(snakemake.output.page),
        findings=Path(snakemake.output.findings),
        last_run=Path(snakemake.params.last_run),
        job=job,
    )
