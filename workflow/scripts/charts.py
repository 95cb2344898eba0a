"""Lay the images of a collection on a plane, and build the tree of its clusters."""

from pathlib import Path

from firstsight.stages.charts import chart_collection
from firstsight.stages.rule import as_paths, run_rule

with run_rule(snakemake, "charts") as job:
    chart_collection(
        descriptors=as_paths(snakemake.input.descriptors),
        clusters=Path(snakemake.input.clusters),
        output=Path(snakemake.output.charts),
        job=job,
    )
