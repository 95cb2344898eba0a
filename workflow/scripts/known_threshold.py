"""Take over the threshold of the collection that new images are held against."""

from pathlib import Path

from firstsight.errors import FirstsightError
from firstsight.stages.job import run_job
from firstsight.storage.json import read_json, write_json

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="known_threshold", **names):
    known = read_json(Path(snakemake.input.threshold))
    if known["threshold"] is None:
        raise FirstsightError(f"{snakemake.params.known}: no image has a map, so nothing can be held against it")
    write_json(Path(snakemake.output.threshold), known)
