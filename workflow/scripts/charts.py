"""Lay the images of a collection on a plane, and build the tree of its clusters."""

from pathlib import Path

from firstsight.stages.charts import chart_collection
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="charts", **names) as job:
    chart_collection(
        descriptors=[Path(path) for path in snakemake.input.descriptors],
        clusters=Path(snakemake.input.clusters),
        output=Path(snakemake.output.charts),
        job=job,
    )
