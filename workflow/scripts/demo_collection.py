"""Make the images of a demo collection."""

from pathlib import Path

from firstsight.stages.manifest import make_demo_collection
from firstsight.stages.rule import run_rule

with run_rule(snakemake, "demo_collection") as job:
    make_demo_collection(Path(snakemake.output.images), snakemake.params.texture, job)
