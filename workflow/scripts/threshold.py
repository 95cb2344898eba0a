"""Find the threshold of a collection's maps."""

from pathlib import Path

from firstsight.stages.describe import find_threshold
from firstsight.stages.job import run_job

names = dict(collection=snakemake.wildcards.collection, detector=snakemake.params.name)
with run_job(snakemake.log[0], snakemake.output.run, config=snakemake.params.config, rule="threshold", **names) as job:
    find_threshold(
        shards=[Path(path) for path in snakemake.input.maps],
        output=Path(snakemake.output.threshold),
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
        job=job,
    )
