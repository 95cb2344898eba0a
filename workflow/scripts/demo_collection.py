"""Make the images of a demo collection."""

from pathlib import Path

from firstsight.stages.job import run_job
from firstsight.stages.manifest import make_demo_collection

collection = snakemake.wildcards.collection
with run_job(
    snakemake.log[0],
    snakemake.output.run,
    config=snakemake.params.config,
    rule="demo_collection",
    collection=collection,
) as job:
    make_demo_collection(Path(snakemake.output.images), snakemake.params.texture, job)
