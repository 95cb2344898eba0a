"""Write the page of groups of collections."""

from pathlib import Path

from firstsight.stages.group_page import make_group_page
from firstsight.stages.rule import run_rule

TABLES = ("images", "regions", "group_clusters", "kinds_by_collection", "kinds_by_time", "group_metrics")

with run_rule(snakemake, "group_page") as job:
    make_group_page(
        tables={name: Path(snakemake.input[name]) for name in TABLES},
        groups=snakemake.params.groups,
        output=Path(snakemake.output.page),
        job=job,
    )
